//! Tests of image configurations.

use super::*;

fn base() -> LocalImage {
    let config = json!({
            "Hostname": "",
            "User": "app",
            "Env": ["PATH=/usr/bin", "LANG=C"],
            "Cmd": ["python3"],
            "Entrypoint": ["/init"],
            "Volumes": {"/v": {}},
            "WorkingDir": "/w",
            "Labels": {"a": "1", "dev.imgspec.key": "old"},
    });
    let image = json!({"Id": "sha256:1", "Os": "linux", "Architecture": "arm", "Variant": "v7", "Config": config});
    serde_json::from_value(image).unwrap()
}

fn said(recipe: &Recipe) -> Value {
    let own = [("dev.imgspec.key", "new".to_owned())];
    serde_json::from_str(&config(recipe, &base(), &own)).unwrap()
}

#[test]
fn an_image_that_says_nothing_says_what_its_base_says() {
    let whole = said(&Recipe::default());
    assert_eq!(whole["os"], "linux");
    assert_eq!(whole["architecture"], "arm");
    assert_eq!(whole["variant"], "v7");
    assert_eq!(
        whole["config"],
        json!({
            "User": "app",
            "Env": ["PATH=/usr/bin", "LANG=C"],
            "Cmd": ["python3"],
            "Entrypoint": ["/init"],
            "Volumes": {"/v": {}},
            "WorkingDir": "/w",
            "Labels": {"a": "1", "dev.imgspec.key": "new"},
        })
    );
}

#[test]
fn what_the_recipe_says_goes_before_what_the_base_says() {
    let pairs = [("LANG", "de"), ("NEW", "1=2")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let recipe = Recipe {
        steps: vec![Step::Env(pairs.to_vec()), Step::Workdir("sub".into())],
        config: Config {
            entrypoint: Some(vec!["run".into()]),
            cmd: None,
            user: Some("0".into()),
            labels: vec![("a".into(), "2".into())],
            expose: vec!["80/tcp".into()],
            volumes: vec!["/data".into()],
            stop_signal: Some("SIGINT".into()),
            ..Config::default()
        },
        ..Recipe::default()
    };
    let whole = said(&recipe);
    let config = &whole["config"];
    assert_eq!(
        config["Env"],
        json!(["PATH=/usr/bin", "LANG=de", "NEW=1=2"])
    );
    assert_eq!(config["WorkingDir"], "/w/sub");
    assert_eq!(config["Entrypoint"], json!(["run"]));
    assert_eq!(config["Cmd"], Value::Null);
    assert_eq!(config["User"], "0");
    assert_eq!(config["Labels"]["a"], "2");
    assert_eq!(config["ExposedPorts"], json!({"80/tcp": {}}));
    assert_eq!(config["Volumes"], json!({"/data": {}, "/v": {}}));
    assert_eq!(config["StopSignal"], "SIGINT");
}

#[test]
fn envds_python_goes_first_in_path_once() {
    let python = Step::Python {
        version: "3.12".into(),
    };
    let recipe = Recipe {
        steps: vec![python.clone(), python],
        ..Recipe::default()
    };
    let path = format!("PATH={PYTHON_PATH}:/usr/bin");
    assert_eq!(said(&recipe)["config"]["Env"][0], path);
}

#[test]
fn a_dockerfile_says_the_same_and_empties_envds_labels() {
    let mut result = base();
    result.config =
        json!({"WorkingDir": "/w", "Labels": {"ai.tensorchord.envd.build.context": "/home/me"}});
    let text = config(&Recipe::default(), &base(), &[]);
    let recipe = as_recipe(&text, &result);
    assert_eq!(recipe.steps.len(), 1);
    assert_eq!(recipe.config.cmd, Some(vec!["python3".to_owned()]));
    let labels = &recipe.config.labels;
    assert!(labels.contains(&("ai.tensorchord.envd.build.context".into(), String::new())));
    assert!(labels.contains(&("a".into(), "1".into())));
    assert_eq!(recipe.config.volumes, ["/v"]);
}
