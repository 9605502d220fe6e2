//! Ports, volumes, health checks, stop signals and shells in the config of an image, in Docker's notation. Pure.
//!
//! Every builder that writes configs itself writes these parts here, so that they are the same everywhere. As with Docker, ports
//! and volumes are added to the base's; the rest replaces what the base says.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::recipe::{Config, Healthcheck};
use crate::spec::HealthTest;
use crate::spec::rules::{Ports, health_line, line, read_ports, shell_word, stop_signal, volume};

/// The names that the times of a health check have in a manifest and in a config, where they are nanoseconds.
const TIMES: [(&str, &str); 4] = [
    ("interval", "Interval"),
    ("timeout", "Timeout"),
    ("start-period", "StartPeriod"),
    ("start-interval", "StartInterval"),
];

/// Changes the config of a base to what the recipe says.
pub(super) fn apply(wanted: &Config, config: &mut Map<String, Value>) {
    let ports = wanted.expose.iter().filter_map(|it| read_ports(it).ok());
    add(config, "ExposedPorts", ports.flat_map(Ports::each));
    add(config, "Volumes", wanted.volumes.iter().cloned());
    if let Some(check) = &wanted.healthcheck {
        config.insert("Healthcheck".to_owned(), healthcheck(check));
    }
    if let Some(signal) = &wanted.stop_signal {
        config.insert("StopSignal".to_owned(), json!(signal));
    }
    if let Some(shell) = &wanted.shell {
        config.insert("Shell".to_owned(), json!(shell));
    }
}

/// Adds names to a set, which Docker writes as an object of empty objects.
fn add(config: &mut Map<String, Value>, set: &str, names: impl Iterator<Item = String>) {
    let mut names = names.peekable();
    if names.peek().is_none() {
        return;
    }
    let known = config.entry(set).or_insert_with(|| json!({}));
    if !known.is_object() {
        *known = json!({});
    }
    if let Some(known) = known.as_object_mut() {
        known.extend(names.map(|name| (name, json!({}))));
    }
}

fn healthcheck(check: &Healthcheck) -> Value {
    let test = match &check.test {
        HealthTest::Off => json!(["NONE"]),
        HealthTest::CommandLine(line) => json!(["CMD-SHELL", line]),
        HealthTest::Program(words) => {
            let head = std::iter::once("CMD");
            json!(
                head.chain(words.iter().map(String::as_str))
                    .collect::<Vec<_>>()
            )
        }
    };
    let mut config = json!({ "Test": test });
    for (name, time) in check.times() {
        let known = TIMES.iter().find(|(known, _)| *known == name);
        if let (Some((_, name)), Ok(time)) = (known, u64::try_from(time.as_nanos())) {
            config[*name] = time.into();
        }
    }
    if let Some(retries) = check.retries {
        config["Retries"] = retries.into();
    }
    config
}

/// What a config says of these parts, as a recipe says it. What no manifest could say is left out, so that nothing in the config of an
/// image can become an instruction.
pub(super) fn read(config: &Value) -> Config {
    let names = |set: &str| {
        let names = config[set].as_object().into_iter().flatten();
        names.map(|(name, _)| name.clone())
    };
    let ports = names("ExposedPorts").filter_map(|port| read_ports(&port).ok());
    let shell = texts(&config["Shell"]).filter(|words| !words.is_empty());
    let signal = config["StopSignal"].as_str();
    Config {
        expose: ports.map(Ports::words).collect(),
        volumes: names("Volumes")
            .filter(|path| volume(path).is_ok())
            .collect(),
        healthcheck: read_healthcheck(&config["Healthcheck"]),
        stop_signal: signal
            .filter(|it| stop_signal(it).is_ok())
            .map(str::to_owned),
        shell: shell.filter(|words| words.iter().all(|word| shell_word(word).is_ok())),
        ..Config::default()
    }
}

fn read_healthcheck(config: &Value) -> Option<Healthcheck> {
    let mut words = texts(&config["Test"])?.into_iter();
    let test = match (words.next()?.as_str(), words.as_slice()) {
        ("NONE", []) => HealthTest::Off,
        ("CMD-SHELL", [text]) if health_line(text).is_ok() => HealthTest::CommandLine(text.clone()),
        ("CMD", all @ [program, ..]) if line(program).is_ok() => HealthTest::Program(all.to_vec()),
        _ => return None,
    };
    let [interval, timeout, start_period, start_interval] = TIMES.map(|(_, name)| {
        let time = config[name].as_u64().filter(|time| *time > 0);
        time.map(Duration::from_nanos)
    });
    let retries = config["Retries"].as_u64().filter(|count| *count > 0);
    Some(Healthcheck {
        test,
        interval,
        timeout,
        start_period,
        start_interval,
        retries: retries.and_then(|count| count.try_into().ok()),
    })
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Config {
        Config {
            expose: vec!["53/udp".into(), "8000-8001/tcp".into()],
            volumes: vec!["/data".into(), "/x y".into()],
            healthcheck: Some(Healthcheck {
                test: HealthTest::Program(vec!["curl".into(), "-f".into()]),
                interval: Some(Duration::from_secs(30)),
                timeout: Some(Duration::from_millis(1500)),
                start_period: None,
                start_interval: Some(Duration::from_secs(1)),
                retries: Some(3),
            }),
            stop_signal: Some("SIGINT".into()),
            shell: Some(vec!["/bin/bash".into(), "-c".into()]),
            ..Config::default()
        }
    }

    #[test]
    fn ports_and_volumes_are_added_and_the_rest_replaces_the_bases() {
        let base = json!({
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": null, "StopSignal": "SIGTERM",
            "Healthcheck": {"Test": ["NONE"], "Retries": 9}, "Cmd": ["x"]
        });
        let mut config = base.as_object().unwrap().clone();
        apply(&all(), &mut config);
        assert_eq!(
            Value::Object(config),
            json!({
                "ExposedPorts": {"53/udp": {}, "80/tcp": {}, "8000/tcp": {}, "8001/tcp": {}},
                "Volumes": {"/data": {}, "/x y": {}},
                "Healthcheck": {
                    "Test": ["CMD", "curl", "-f"], "Interval": 30_000_000_000_u64, "Timeout": 1_500_000_000,
                    "StartInterval": 1_000_000_000, "Retries": 3
                },
                "StopSignal": "SIGINT",
                "Shell": ["/bin/bash", "-c"],
                "Cmd": ["x"]
            })
        );
        let mut untouched = base.as_object().unwrap().clone();
        apply(&Config::default(), &mut untouched);
        assert_eq!(Value::Object(untouched), base);
    }

    #[test]
    fn a_config_is_read_as_it_is_written() {
        let mut written = Map::new();
        let mut wanted = all();
        apply(&wanted, &mut written);
        // Each port of a range stands for itself.
        wanted.expose = ["53/udp", "8000/tcp", "8001/tcp"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(read(&Value::Object(written)), wanted);
        for test in [
            HealthTest::Off,
            HealthTest::CommandLine("true || exit 1".into()),
        ] {
            let mut written = Map::new();
            if let Some(check) = &mut wanted.healthcheck {
                check.test = test;
            }
            apply(&wanted, &mut written);
            assert_eq!(read(&Value::Object(written)), wanted);
        }
    }

    #[test]
    fn what_would_be_another_instruction_is_not_read() {
        let hostile = "x\nRUN touch /x";
        let config = json!({
            "ExposedPorts": {hostile: {}, "0/tcp": {}},
            "Volumes": {"/x\nRUN touch /x": {}, "relative": {}},
            "Healthcheck": {"Test": ["CMD-SHELL", hostile]},
            "StopSignal": hostile,
            "Shell": ["/bin/sh", hostile]
        });
        assert_eq!(read(&config), Config::default());
        for test in [
            json!(7),
            json!([]),
            json!(["CMD"]),
            json!(["NONE", "x"]),
            json!([1]),
        ] {
            assert_eq!(read_healthcheck(&json!({ "Test": test })), None);
        }
    }
}
