//! The config of an image: the base's, changed by the recipe. Pure.
//!
//! Format: <https://github.com/opencontainers/image-spec/blob/main/config.md>. Fields that nobody here knows stay as they are
//! in the base, and keys are sorted, so equal configs are equal bytes.

use serde_json::{Map, Value, json};

use crate::backend::oci::name::Digest;
use crate::backend::platform::Platform;
use crate::backend::runtime;
use crate::recipe;

/// When everything was made: the time of the files in the layers.
const CREATED: &str = "1980-01-01T00:00:00Z";

/// The search path of an image whose base has none.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The config of an image under construction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Config(Map<String, Value>);

impl Config {
    /// The config of an empty image.
    pub(super) fn scratch(platform: &Platform) -> Self {
        let mut all = Map::new();
        all.insert("os".to_owned(), platform.os.clone().into());
        let architecture = platform.architecture.clone();
        all.insert("architecture".to_owned(), architecture.into());
        if !platform.variant.is_empty() {
            all.insert("variant".to_owned(), platform.variant.clone().into());
        }
        let mut this = Self(all);
        this.list("Env").push(PATH.into());
        this
    }

    /// Reads the config of a base.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes).map(Self)
    }

    pub(super) fn platform(&self) -> Platform {
        let all = Value::Object(self.0.clone());
        serde_json::from_value(all).unwrap_or_default()
    }

    /// The digests of the layers' tars.
    pub(super) fn diff_ids(&self) -> Option<Vec<Digest>> {
        let ids = self.0.get("rootfs")?.get("diff_ids")?.as_array()?;
        ids.iter().map(|id| Digest::read(id.as_str()?)).collect()
    }

    /// The working directory; `/` if none is set.
    pub(super) fn workdir(&self) -> &str {
        let set = self.part("WorkingDir").and_then(Value::as_str);
        set.filter(|path| !path.is_empty()).unwrap_or("/")
    }

    pub(super) fn user(&self) -> &str {
        self.part("User").and_then(Value::as_str).unwrap_or("")
    }

    /// The variables that programs of the image start with.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let all = self.part("Env").and_then(Value::as_array);
        let pairs = all.into_iter().flatten();
        let pairs = pairs.filter_map(|each| each.as_str()?.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The value of a variable, if it is set.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let variables = self.part("Env")?.as_array()?.iter();
        let mut variables = variables.filter_map(|each| each.as_str()?.split_once('='));
        variables
            .find(|(own, _)| *own == name)
            .map(|(_, value)| value)
    }

    /// Where programs are looked for: the directories of `PATH`, or the usual ones.
    pub(super) fn search_path(&self) -> &str {
        let set = self.variable("PATH").filter(|path| !path.is_empty());
        set.unwrap_or(PATH.trim_start_matches("PATH="))
    }

    /// Puts a directory first in `PATH`.
    pub(super) fn prepend_path(&mut self, folder: &str) {
        let path = format!("{folder}:{}", self.search_path());
        self.set_variable("PATH", &path);
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.config().insert(name.to_owned(), value.into());
    }

    /// Sets what containers start with besides program and user.
    pub(super) fn set_runtime(&mut self, wanted: &recipe::Config) {
        runtime::apply(wanted, self.config());
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.config().remove(name);
    }

    /// Sets a variable in its place, or at the end.
    pub(super) fn set_variable(&mut self, name: &str, value: &str) {
        let text = Value::from(format!("{name}={value}"));
        let is_it = |old: &Value| {
            let old = old.as_str().and_then(|old| old.split_once('='));
            old.is_some_and(|(old, _)| old == name)
        };
        let variables = self.list("Env");
        match variables.iter_mut().find(|old| is_it(old)) {
            Some(old) => *old = text,
            None => variables.push(text),
        }
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.part("Labels")?.get(name)?.as_str()
    }

    pub(super) fn set_label(&mut self, name: &str, value: &str) {
        let labels = self.config().entry("Labels");
        let labels = labels.or_insert_with(|| json!({}));
        if !labels.is_object() {
            *labels = json!({});
        }
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(name.to_owned(), value.into());
        }
    }

    /// Removes labels that are those of the base alone.
    pub(super) fn retain_labels(&mut self, keep: impl Fn(&str) -> bool) {
        let labels = self.config().get_mut("Labels");
        if let Some(labels) = labels.and_then(Value::as_object_mut) {
            labels.retain(|name, _| keep(name));
        }
    }

    /// Adds a layer, or with `None` a step that makes none.
    pub(super) fn add_history(&mut self, made_by: &str, layer: Option<Digest>) {
        self.mend_history();
        let mut step = json!({ "created": CREATED, "created_by": made_by });
        match layer {
            Some(layer) => self.diff_id_list().push(layer.to_string().into()),
            None => step["empty_layer"] = true.into(),
        }
        let history = self.0.entry("history").or_insert_with(|| json!([]));
        if let Some(history) = history.as_array_mut() {
            history.push(step);
        }
    }

    /// Replaces the history of a base that lacks it, or has that of other layers, by one that tells nothing.
    fn mend_history(&mut self) {
        let layers = self.diff_id_list().len();
        let history = self.0.entry("history").or_insert_with(|| json!([]));
        let makes_layer = |step: &&Value| step["empty_layer"] != true;
        let fits = |all: &Vec<Value>| all.iter().filter(makes_layer).count() == layers;
        if !history.as_array().is_some_and(fits) {
            *history = vec![json!({}); layers].into();
        }
    }

    pub(super) fn bytes(mut self) -> Vec<u8> {
        self.0.insert("created".to_owned(), CREATED.into());
        self.diff_id_list();
        serde_json::to_vec(&self.0).expect("JSON is JSON")
    }

    fn diff_id_list(&mut self) -> &mut Vec<Value> {
        let empty = || json!({ "type": "layers", "diff_ids": [] });
        let rootfs = self.0.entry("rootfs").or_insert_with(empty);
        if !rootfs["diff_ids"].is_array() {
            *rootfs = empty();
        }
        rootfs["diff_ids"].as_array_mut().expect("it is one now")
    }

    fn part(&self, name: &str) -> Option<&Value> {
        self.0.get("config")?.get(name)
    }

    fn config(&mut self) -> &mut Map<String, Value> {
        let config = self.0.entry("config").or_insert_with(|| json!({}));
        if !config.is_object() {
            *config = json!({});
        }
        config.as_object_mut().expect("it is one now")
    }

    fn list(&mut self, name: &str) -> &mut Vec<Value> {
        let list = self.config().entry(name).or_insert_with(|| json!([]));
        if !list.is_array() {
            *list = json!([]);
        }
        list.as_array_mut().expect("it is one now")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(config: Config) -> Value {
        serde_json::from_slice(&config.bytes()).unwrap()
    }

    #[test]
    fn a_base_keeps_what_is_not_changed() {
        let base = br#"{"architecture":"arm64","variant":"v8","os":"linux","created":"2024-01-01T00:00:00Z",
            "config":{"Env":["PATH=/bin","A=1"],"StopSignal":"SIGINT","Labels":{"a":"b"},"WorkingDir":"/srv"},
            "rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},
            "history":[{"created_by":"x"}],"future":{"y":1}}"#;
        let mut config = Config::read(base).unwrap();
        assert_eq!(config.workdir(), "/srv");
        assert_eq!(config.diff_ids().unwrap().len(), 1);
        assert!(config.platform().is("linux/arm64"));
        config.set_variable("A", "2=3");
        config.set_variable("B", "");
        config.set_label("c", "d");
        config.add_history("copy", Some(Digest::of(b"")));
        config.add_history("env", None);
        let all = text(config);
        assert_eq!(all["config"]["Env"], json!(["PATH=/bin", "A=2=3", "B="]));
        assert_eq!(all["config"]["Labels"], json!({"a": "b", "c": "d"}));
        assert_eq!(all["config"]["StopSignal"], "SIGINT");
        assert_eq!(all["future"]["y"], 1);
        assert_eq!(all["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
        assert_eq!(all["history"].as_array().unwrap().len(), 3);
        assert_eq!(all["history"][2]["empty_layer"], true);
    }

    #[test]
    fn strange_configs_are_mended_rather_than_trusted() {
        for base in [
            r#"{"config":null,"rootfs":7,"history":"x"}"#,
            r#"{"config":{"Env":"A","Labels":[]},"rootfs":{"diff_ids":{}}}"#,
        ] {
            let mut config = Config::read(base.as_bytes()).unwrap();
            assert_eq!(config.diff_ids(), None);
            config.set_variable("A", "1");
            config.set_label("a", "b");
            config.add_history("x", Some(Digest::of(b"")));
            let all = text(config);
            assert_eq!(all["config"]["Env"], json!(["A=1"]));
            assert_eq!(all["rootfs"]["diff_ids"].as_array().unwrap().len(), 1);
        }
        assert!(Config::read(b"[]").is_err());
    }

    #[test]
    fn layers_of_a_base_without_history_get_one_that_tells_nothing() {
        let digest = Digest::of(b"");
        for history in [
            "",
            r#","history":[]"#,
            r#","history":[{"empty_layer":true}]"#,
        ] {
            let base = format!(r#"{{"rootfs":{{"diff_ids":["{digest}","{digest}"]}}{history}}}"#);
            let mut config = Config::read(base.as_bytes()).unwrap();
            config.add_history("copy", Some(digest));
            let all = text(config);
            let history = all["history"].as_array().unwrap();
            assert_eq!(history.len(), 3, "{base}");
            assert_eq!(history[2]["created_by"], "copy");
        }
    }
}
