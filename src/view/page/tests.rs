use super::*;
use crate::run::Event;
use crate::view::State;
use crate::view::drawing::tests::{diamond, drawing};

fn plain(drawing: &Drawing) -> Page<'_> {
    Page {
        title: "shop",
        made: "2026-01-02T03:04:05Z",
        drawing,
        details: None,
        history: None,
        live: None,
        tab: Tab::Graph,
        folders: None,
        direction: None,
        theme: Theme::Auto,
    }
}

/// The text between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

fn data(text: &str) -> serde_json::Value {
    let json = between(
        text,
        "<script type=\"application/json\" id=\"data\">",
        "</script>",
    );
    serde_json::from_str(json).unwrap()
}

fn detail(text: &str) -> Detail {
    Detail {
        place: Some(text.to_owned()),
        reference: text.to_owned(),
        key: text.to_owned(),
        builder: "fake".to_owned(),
        spec: text.to_owned(),
        inputs: Vec::new(),
        more_inputs: 0,
        outside: Vec::new(),
        reasons: vec![text.to_owned()],
        built: None,
        log: vec![text.to_owned()],
    }
}

const EVIL: &str = "</script><!--<script><img src=x onerror=alert(1)>{{script}}\"'&";

#[test]
fn nothing_in_the_data_ends_its_script_or_is_markup() {
    let mut drawing = diamond();
    drawing.nodes[0].note = Some(EVIL.to_owned());
    drawing.nodes[1].reference = EVIL.to_owned();
    EVIL.clone_into(&mut drawing.nodes[4].name);
    EVIL.clone_into(&mut drawing.nodes[4].folder);
    let details = BTreeMap::from([(EVIL.to_owned(), detail(EVIL))]);
    let mut history = History::default();
    for (at, line) in [EVIL, "</SCRIPT >"].iter().enumerate() {
        let event = Event::ImageLog {
            image: "py".into(),
            line: (*line).to_owned(),
        };
        history.hear(f64::from(u8::try_from(at).unwrap()), &event);
    }
    let text = page(&Page {
        title: EVIL,
        details: Some(&details),
        history: Some(&history),
        ..plain(&drawing)
    });
    let tame = page(&plain(&diamond()));
    for mark in ["<script", "</script", "<style", "<!--"] {
        let count = |text: &str| text.to_lowercase().matches(mark).count();
        assert_eq!(count(&text), count(&tame), "{mark}");
    }
    assert!(!text.contains("<img"));
    let data = data(&text);
    assert_eq!(data["title"], EVIL);
    assert_eq!(data["details"][EVIL]["log"][0], EVIL);
    assert_eq!(data["history"]["images"]["py"]["lines"][0], EVIL);
}

#[test]
fn the_same_page_is_the_same_bytes_and_names_no_other_place() {
    let drawing = diamond();
    let text = page(&plain(&drawing));
    assert_eq!(text, page(&plain(&drawing)));
    for mark in ["src=", "href=", "@import", "url("] {
        assert!(!text.contains(mark), "{mark}");
    }
    assert!(text.contains("Permission is hereby granted"));
    assert!(!LICENCE.contains(['<', '&']));
}

#[test]
fn the_policy_allows_only_what_is_in_the_document() {
    let drawing = diamond();
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let text = page(&plain(&drawing));
    let policy = between(&text, "Content-Security-Policy\" content=\"", "\"");
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'none'"));
    assert!(policy.contains(&hash(between(&text, "<style>", "</style>"))));
    let scripts: Vec<&str> = text
        .split("<script>")
        .skip(1)
        .map(|rest| rest.split_once("</script>").unwrap().0)
        .collect();
    assert_eq!(scripts.len(), 3);
    for script in scripts {
        assert!(policy.contains(&hash(script)));
    }
    let live = page(&Page {
        live: Some(Live {
            control: true,
            edition: "1",
        }),
        ..plain(&drawing)
    });
    assert!(live.contains("connect-src 'self'"));
    assert_eq!(data(&live)["live"]["control"], true);
}

#[test]
fn the_script_knows_all_states_in_the_same_order() {
    let words = State::ALL.map(|state| format!("'{}'", state.word()));
    let list = format!("states: [{}]", words.join(", "));
    assert!(SCRIPTS.concat().contains(&list), "{list}");
    for state in State::ALL {
        let rule = format!(".{0} {{ --state: var(--{0}); }}", state.word());
        assert!(STYLE.contains(&rule), "{rule}");
    }
}

#[test]
fn directories_are_there_if_there_are_several_and_first_if_there_are_many_images() {
    let one = diamond();
    let text = page(&plain(&one));
    assert!(text.contains("<template id=\"folders\"></template>"));
    let names: Vec<String> = (0..=MANY).map(|at| format!("i{at}")).collect();
    let mut many = drawing(&names.join(" "));
    "apps".clone_into(&mut many.nodes[7].folder);
    let text = page(&plain(&many));
    assert!(text.contains("data-folder=\"apps\"") && text.contains("data-image=\"i7\""));
    assert_eq!(data(&text)["folders"], true);
    let text = page(&Page {
        folders: Some(false),
        ..plain(&many)
    });
    assert_eq!(data(&text)["folders"], false);
}

#[test]
fn the_critical_path_of_a_run_is_that_of_its_history() {
    let drawing = diamond();
    let mut history = History::default();
    for (at, image) in [(0.0, "os"), (1.0, "py"), (2.0, "app")] {
        let started = Event::ImageStarted {
            image: image.into(),
            reference: String::new(),
            backend: String::new(),
            reasons: Vec::new(),
        };
        history.hear(at, &started);
        let ended = Event::ImageCancelled {
            image: image.into(),
        };
        history.hear(at + 1.0, &ended);
    }
    let text = page(&Page {
        history: Some(&history),
        tab: Tab::Timeline,
        ..plain(&drawing)
    });
    let data = data(&text);
    assert_eq!(data["critical"], serde_json::json!(["os", "py", "app"]));
    assert_eq!(data["tab"], "timeline");
}
