//! Drawings as JSON: the model's own serialization, in the shape of docs/json.md.

use super::drawing::Drawing;

pub(super) fn render(drawing: &Drawing) -> String {
    let mut text = serde_json::to_string_pretty(drawing).expect("a drawing consists of text");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::view::drawing::State;
    use crate::view::drawing::tests::{diamond, drawing};

    #[test]
    fn the_shape_is_that_of_docs_json_md() {
        insta::assert_snapshot!(render(&drawing("py app:py,+py")), @r#"
        {
          "images": [
            {
              "image": "py",
              "bases": [],
              "reference": "r:5000/py:0a1b",
              "folder": "."
            },
            {
              "image": "app",
              "bases": [
                "py"
              ],
              "reference": "r:5000/app:0a1b",
              "folder": "."
            }
          ],
          "edges": [
            {
              "from": "app",
              "to": "py",
              "kind": "base"
            },
            {
              "from": "app",
              "to": "py",
              "kind": "copy"
            }
          ]
        }
        "#);
    }

    #[test]
    fn states_are_there_only_when_known() {
        let mut drawing = diamond();
        let node = &mut drawing.nodes[3];
        node.state = Some(State::Build);
        node.note = Some("`src/app.py` changed".into());
        let value: serde_json::Value = serde_json::from_str(&render(&drawing)).unwrap();
        assert_eq!(value["images"][3]["state"], "build");
        assert_eq!(value["images"][3]["note"], "`src/app.py` changed");
        assert!(value["images"][0].get("state").is_none());
    }

    #[test]
    fn an_empty_drawing_has_both_lists() {
        assert_eq!(
            render(&drawing("")),
            "{\n  \"images\": [],\n  \"edges\": []\n}\n"
        );
    }
}
