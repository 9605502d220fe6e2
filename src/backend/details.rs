//! What an image consists of: its config, and its layers with what made each. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::oci::manifest::Manifest;
use super::oci::name::Digest;
use super::platform::Platform;

/// What an image for one platform consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The digest of the manifest.
    pub digest: String,
    /// The platform, such as `linux/amd64`.
    pub platform: String,
    /// The size of config and layers, compressed, in bytes.
    pub size: u64,
    /// The relevant part of the config.
    pub config: ConfigDetails,
    /// The layers, the lowest first.
    pub layers: Vec<LayerDetails>,
}

/// What containers of an image start with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase"))]
pub struct ConfigDetails {
    /// The entrypoint; `None` if there is none.
    pub entrypoint: Option<Vec<String>>,
    /// The default command; `None` if there is none.
    pub cmd: Option<Vec<String>>,
    /// Variables, as `NAME=VALUE`.
    pub env: Option<Vec<String>>,
    /// The user; `None` or empty for root.
    pub user: Option<String>,
    /// The working directory.
    #[serde(rename(deserialize = "WorkingDir"))]
    pub workdir: Option<String>,
    /// The ports that containers listen on, such as `8080/tcp`.
    #[serde(
        default,
        rename(deserialize = "ExposedPorts"),
        deserialize_with = "names",
        skip_serializing_if = "Option::is_none"
    )]
    pub expose: Option<Vec<String>>,
    /// The mount points of volumes.
    #[serde(
        default,
        rename(deserialize = "Volumes"),
        deserialize_with = "names",
        skip_serializing_if = "Option::is_none"
    )]
    pub volume: Option<Vec<String>>,
    /// How containers are checked, as Docker writes it: with times in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<serde_json::Value>,
    /// The signal that asks containers to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// What runs command lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// The labels.
    pub labels: Option<BTreeMap<String, String>>,
}

/// The names of a set, which a config has as an object of empty objects.
fn names<'de, D: Deserializer<'de>>(config: D) -> Result<Option<Vec<String>>, D::Error> {
    let set: Option<serde_json::Map<String, serde_json::Value>> = Deserialize::deserialize(config)?;
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    Ok(set.map(|set| sorted(set.into_iter().map(|(name, _)| name).collect())))
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerDetails {
    /// The digest of the compressed layer.
    pub digest: String,
    /// Its compressed size in bytes.
    pub size: u64,
    /// The size of its tar in bytes, if this machine has read it.
    pub unpacked: Option<u64>,
    /// The step that made it, if the config tells.
    pub made_by: Option<String>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(flatten)]
    platform: Platform,
    #[serde(default)]
    config: Option<ConfigDetails>,
    #[serde(default)]
    history: Option<Vec<History>>,
}

#[derive(Deserialize)]
struct History {
    created_by: Option<String>,
    #[serde(default)]
    empty_layer: bool,
}

impl Details {
    /// The details of the image with this manifest and config.
    pub(super) fn of(
        digest: Digest,
        manifest: &Manifest,
        config: &[u8],
    ) -> Result<Self, serde_json::Error> {
        let config: Config = serde_json::from_slice(config)?;
        let layers = manifest.blobs.get(1..).unwrap_or_default();
        let steps = config.history.unwrap_or_default().into_iter();
        let made: Vec<History> = steps.filter(|step| !step.empty_layer).collect();
        // A history that does not fit tells nothing.
        let mut made = if made.len() == layers.len() {
            made
        } else {
            Vec::new()
        }
        .into_iter();
        let layers = layers.iter().map(|layer| LayerDetails {
            digest: layer.digest.to_string(),
            size: layer.size.unwrap_or_default(),
            unpacked: None,
            made_by: made.next().and_then(|step| step.created_by),
        });
        let sizes = manifest.blobs.iter().filter_map(|blob| blob.size);
        Ok(Self {
            digest: digest.to_string(),
            platform: config.platform.to_string(),
            // Hostile sizes may exceed any number.
            size: sizes.fold(0, u64::saturating_add),
            config: config.config.unwrap_or_default(),
            layers: layers.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(config: &str) -> Result<Details, serde_json::Error> {
        let digest = Digest::of(b"");
        let part = format!(r#"{{"digest":"{digest}","size":18446744073709551615}}"#);
        let text = format!(r#"{{"schemaVersion":2,"config":{part},"layers":[{part},{part}]}}"#);
        let manifest = Manifest::read(text.as_bytes(), None).unwrap();
        Details::of(digest, &manifest, config.as_bytes())
    }

    #[test]
    fn layers_are_told_with_the_steps_that_made_them() {
        let found = details(
            r#"{"os":"linux","architecture":"arm64","variant":"v8","config":{"Cmd":["x"],"WorkingDir":"/srv","Env":null,
                "ExposedPorts":{"80/tcp":{},"53/udp":{}},"Volumes":null,"StopSignal":"SIGINT","Healthcheck":{"Test":["NONE"]}},
                "history":[{"created_by":"a"},{"created_by":"env","empty_layer":true},{}]}"#,
        );
        let found = found.unwrap();
        assert_eq!(found.platform, "linux/arm64/v8");
        assert_eq!(found.config.workdir.as_deref(), Some("/srv"));
        let ports = found.config.expose.as_deref().unwrap();
        assert_eq!(
            (ports.join(" ").as_str(), &found.config.volume),
            ("53/udp 80/tcp", &None)
        );
        assert_eq!(found.config.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(found.layers[0].made_by.as_deref(), Some("a"));
        assert_eq!(
            (found.layers[1].made_by.as_deref(), found.size),
            (None, u64::MAX)
        );
        let without = details(r#"{"history":[{"created_by":"a"}]}"#).unwrap();
        assert_eq!(without.layers[0].made_by, None);
        assert!(details("[]").is_err() && details(r#"{"config":7}"#).is_err());
    }
}
