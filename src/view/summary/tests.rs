use super::*;
use crate::run::Event;
use crate::view::drawing::tests::drawing;

fn built(image: &str) -> [Event; 2] {
    [
        Event::ImageStarted {
            image: image.into(),
            reference: format!("r/{image}:1"),
            backend: "fake".into(),
            reasons: vec!["`src/a.py` changed".into(), "another".into()],
        },
        Event::ImageBuilt {
            image: image.into(),
            reference: format!("r/{image}:1"),
            digest: "sha256:1".into(),
            backend: "fake".into(),
            seconds: 2.5,
        },
    ]
}

fn failed(image: &str, error: &str, tail: &[&str]) -> Event {
    Event::ImageFailed {
        image: image.into(),
        error: error.into(),
        place: Some("imgspec.kdl:3:5".into()),
        log: Some(".imgspec/logs/app.log".into()),
        tail: tail.iter().map(|&line| line.to_owned()).collect(),
        seconds: 3.25,
    }
}

fn history(events: impl IntoIterator<Item = Event>) -> History {
    let mut history = History::default();
    for (at, event) in (0_u32..).zip(events) {
        history.hear(f64::from(at), &event);
    }
    history.at = 42.0;
    history
}

#[test]
fn a_run_is_told_with_what_failed_first() {
    let mut drawing = drawing("os py:os app:py site:app late docs");
    for node in &mut drawing.nodes {
        node.state = Some(State::Build);
        node.seconds = Some(99.0);
    }
    drawing.nodes[0].size = Some(820_000_000);
    drawing.nodes[5].state = Some(State::Fresh);
    let skipped = Event::ImageSkipped {
        image: "site".into(),
        because: vec!["app".into()],
    };
    let fresh = Event::ImageFresh {
        image: "docs".into(),
        reference: "r/docs:1".into(),
    };
    let mut events = vec![fresh];
    events.extend(built("os"));
    events.extend(built("py"));
    events.extend(built("app").into_iter().take(1));
    events.push(failed("app", "exit code 1\nsecond line", &["one", "two"]));
    events.push(skipped);
    insta::assert_snapshot!(summary(&drawing, Some(&history(events)), SUMMARY_LIMIT), @r#"
    ## imgspec: built 2, fresh 1, failed 1, skipped 1, cancelled 1 in 42.0 s

    Critical path: <code>os</code> → <code>py</code> → <code>app</code> (8.2 s)

    | state | image | reference | seconds | size | why |
    | --- | --- | --- | ---: | ---: | --- |
    | **failed** | <code>app</code> | <code>r:5000/app:0a1b</code> | 3.2 |  | exit code 1 |
    | skipped | <code>site</code> | <code>r:5000/site:0a1b</code> |  |  | because app failed |
    | cancelled | <code>late</code> | <code>r:5000/late:0a1b</code> |  |  |  |
    | built | <code>os</code> | <code>r:5000/os:0a1b</code> | 2.5 | 820 MB | <code>src/a.py</code> changed |
    | built | <code>py</code> | <code>r:5000/py:0a1b</code> | 2.5 |  | <code>src/a.py</code> changed |
    | fresh | <code>docs</code> | <code>r:5000/docs:0a1b</code> |  |  |  |

    ### <code>app</code> failed after 3.2 s

    at <code>imgspec.kdl:3:5</code>  
    whole log: <code>.imgspec/logs/app.log</code>  

    ```
    exit code 1
    second line
    one
    two
    ```

    ```mermaid
    flowchart BT
      i_os["os<br/>built<br/>2.5 s"]
      i_py["py<br/>built<br/>2.5 s"]
      i_app["app<br/>failed<br/>3.2 s"]
      i_site["site<br/>skipped"]
      i_late["late<br/>cancelled"]
      i_docs["docs<br/>fresh"]
      i_py --> i_os
      i_app --> i_py
      i_site --> i_app
      classDef fresh fill:#e3f4e5,color:#222
      class i_docs fresh
      classDef built fill:#c8edcc,color:#222
      class i_os,i_py built
      classDef cancelled fill:#e9ebee,color:#222
      class i_late cancelled
      classDef skipped fill:#efe6ee,color:#222
      class i_site skipped
      classDef failed fill:#fbdcdf,color:#222
      class i_app failed
    ```
    "#);
}

#[test]
fn a_plan_is_told_too() {
    let mut drawing = drawing("os py:os");
    drawing.nodes[0].state = Some(State::Fresh);
    drawing.nodes[1].state = Some(State::Build);
    drawing.nodes[1].note = Some("`os` is rebuilt".into());
    drawing.nodes[1].seconds = Some(12.0);
    insta::assert_snapshot!(summary(&drawing, None, SUMMARY_LIMIT), @r#"
    ## imgspec: 1 to build, fresh 1

    | state | image | reference | seconds | size | why |
    | --- | --- | --- | ---: | ---: | --- |
    | build | <code>py</code> | <code>r:5000/py:0a1b</code> | 12.0 |  | <code>os</code> is rebuilt |
    | fresh | <code>os</code> | <code>r:5000/os:0a1b</code> |  |  |  |

    ```mermaid
    flowchart BT
      i_os["os<br/>fresh"]
      i_py["py<br/>build<br/>12.0 s"]
      i_py --> i_os
      classDef fresh fill:#e3f4e5,color:#222
      class i_os fresh
      classDef build fill:#fff0c2,color:#222
      class i_py build
    ```
    "#);
}

#[test]
fn no_log_ends_its_fence_and_no_name_its_cell() {
    let mut drawing = drawing("app");
    drawing.nodes[0].reference = "r/a|b`c`:1".into();
    let tail = [
        "```",
        "````",
        "<script>",
        "\u{1b}[2J@team",
        "| a | b |",
        "# head",
    ];
    let text = summary(
        &drawing,
        Some(&history([failed("app", "`a` | **b** @team\n```", &tail)])),
        SUMMARY_LIMIT,
    );
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows[2].matches('|').count(), 7, "{}", rows[2]);
    let fences = text.lines().filter(|line| line.starts_with("`````"));
    assert_eq!(fences.count(), 2, "{text}");
    let outside: Vec<&str> = text.split("`````").step_by(2).collect();
    let mut outside = outside.concat();
    for ours in ["<code>", "</code>", "**failed**"] {
        outside = outside.replace(ours, "");
    }
    assert!(!outside.contains(['<', '>', '@', '`', '*']), "{outside}");
}

#[test]
fn a_summary_stays_below_its_limit_and_says_what_is_left_out() {
    let names: Vec<String> = (0..5000).map(|at| format!("image-{at}")).collect();
    let drawing = drawing(&names.join(" "));
    let long = "x".repeat(900);
    let tail = [long.as_str(); 4];
    let events = names.iter().map(|name| failed(name, &long, &tail));
    let text = summary(&drawing, Some(&history(events)), SUMMARY_LIMIT);
    assert!(
        text.len() <= SUMMARY_LIMIT && text.len() > SUMMARY_LIMIT / 2,
        "{}",
        text.len()
    );
    assert!(text.starts_with("## imgspec: failed 5000 in"));
    assert!(text.contains(" more are left out."), "errors");
    assert!(
        text.contains(" more would make this summary larger"),
        "rows"
    );
    let little = summary(
        &drawing,
        Some(&history(names.iter().map(|name| failed(name, "e", &[])))),
        2000,
    );
    assert!(little.len() <= 2000, "{}", little.len());
    // The headline is there in any case, and nothing beside it.
    let one = history([failed("image-0", "e", &[])]);
    for room in [0, 300, 700] {
        let none = summary(&drawing, Some(&one), room);
        assert!(none.len() < 1200, "{room}: {}", none.len());
    }
}

#[test]
fn a_graph_that_is_not_drawn_is_told_by_directory_or_not_at_all() {
    let mut words = vec!["os".to_owned()];
    words.extend((0..600).map(|at| format!("i{at}:os")));
    let mut large = drawing(&words.join(" "));
    let text = graph(&large);
    assert!(!text.contains("flowchart") && text.contains("larger than what GitHub draws"));
    for (at, node) in large.nodes.iter_mut().enumerate() {
        node.folder = format!("f{}", at % 7);
    }
    let text = graph(&large);
    assert!(
        text.contains("by directory") && text.contains("f6<br/>85 images"),
        "{text}"
    );
    assert_eq!(graph(&drawing("a b")), "", "no arrows");
}
