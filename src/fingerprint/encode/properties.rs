//! No two recipes have the same encoding, and the listing distinguishes what the key distinguishes.

use std::time::Duration;

use proptest::prelude::*;

use super::super::listing::inputs;
use super::*;
use crate::recipe::{Interpreter, Pip};
use crate::spec::{Base, Debian, GivenPath, SecretSource, SecretStep, Variant};

fn bases() -> Vec<(String, Key)> {
    vec![("tools".to_owned(), Key::new([2; 32]))]
}

fn text() -> impl Strategy<Value = String> {
    "[a,\\[\\]0. ]{0,3}"
}

fn words() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 0..3)
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((text(), text()), 0..3)
}

fn step() -> impl Strategy<Value = Step> {
    let interpreter = prop_oneof![
        Just(Interpreter::Managed),
        Just(Interpreter::Base),
        text().prop_map(Interpreter::Exec)
    ];
    let pip = (
        interpreter,
        words(),
        prop::option::of(text()),
        words(),
        words(),
    )
        .prop_map(
            |(interpreter, packages, index, extra_indexes, extra_args)| {
                Step::Pip(Box::new(Pip {
                    interpreter,
                    requirements: None,
                    packages,
                    index,
                    extra_indexes,
                    extra_args,
                    bytecode: None,
                    unless_named: None,
                }))
            },
        );
    let copy = (text(), text(), prop::option::of(text())).prop_map(|(path, to, owner)| {
        let image = "tools".to_owned();
        let from = CopySource::Image { image, path };
        Step::Copy(Box::new(CopyStep { from, to, owner }))
    });
    prop_oneof![
        words().prop_map(|packages| Step::Apt { packages }),
        text().prop_map(|version| Step::Python { version }),
        pairs().prop_map(Step::Env),
        pip,
        text().prop_map(Step::Workdir),
        text().prop_map(Step::User),
        text().prop_map(|name| Step::Account { name }),
        (prop::option::of(text()), words(), words()).prop_map(|(python, packages, channels)| {
            Step::Conda(Box::new(Conda {
                python,
                packages,
                channels,
            }))
        }),
        copy,
        text().prop_map(|command| Step::Run { command }),
    ]
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let base = prop_oneof![
        Just(Base::Scratch),
        Just(Base::Image("tools".into())),
        prop::option::of(text()).prop_map(|name| Base::File {
            file: GivenPath::new("base.tar"),
            name,
        }),
        (
            text(),
            prop::option::of(text()),
            prop::option::of(text()),
            0..3_usize
        )
            .prop_map(|(suite, mirror, snapshot, variant)| {
                let variant = [Variant::Essential, Variant::Apt, Variant::Minbase][variant];
                Base::Debian(Debian {
                    suite,
                    mirror,
                    snapshot,
                    variant,
                })
            }),
        text().prop_map(Base::Registry)
    ];
    let config = (
        prop::option::of(words()),
        prop::option::of(words()),
        prop::option::of(text()),
        pairs(),
        prop::option::of(text()),
        running(),
    )
        .prop_map(
            |(entrypoint, cmd, user, labels, compression, running)| Config {
                entrypoint,
                cmd,
                user,
                labels,
                compression,
                ..running
            },
        );
    let steps = prop::collection::vec(step(), 0..4);
    (words(), base, steps, config, secrets()).prop_map(
        |(platforms, base, steps, config, secrets)| Recipe {
            platforms,
            base,
            steps,
            config,
            secrets,
            ..Recipe::default()
        },
    )
}

/// Ports, volumes and the like; an empty shell is not one.
fn running() -> impl Strategy<Value = Config> {
    let time = || prop::option::of((1..3_u64).prop_map(Duration::from_millis));
    let test = prop_oneof![
        Just(HealthTest::Off),
        text().prop_map(HealthTest::CommandLine),
        words().prop_map(HealthTest::Program)
    ];
    let times = (time(), time(), time(), time());
    let check = (test, times, prop::option::of(1..3_u32));
    let check = check.prop_map(|(test, times, retries)| {
        let (interval, timeout, start_period, start_interval) = times;
        Healthcheck {
            test,
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        }
    });
    let rest = (prop::option::of(text()), prop::option::of(words()));
    (words(), words(), prop::option::of(check), rest).prop_map(
        |(expose, volumes, healthcheck, (stop_signal, shell))| Config {
            expose,
            volumes,
            healthcheck,
            stop_signal,
            shell,
            ..Config::default()
        },
    )
}

/// The source is the same for all, because it is not an input.
fn secrets() -> impl Strategy<Value = Vec<StepSecret>> {
    let place = prop_oneof![
        text().prop_map(SecretPlace::Env),
        text().prop_map(SecretPlace::File)
    ];
    let given = (prop::sample::select(&SecretStep::ALL), place);
    let given = given.prop_map(|(step, place)| Given { step, place });
    let secret = (text(), prop::collection::vec(given, 0..3));
    let secret = secret.prop_map(|(id, uses)| StepSecret {
        id,
        source: SecretSource::Env("A".to_owned()),
        uses,
    });
    prop::collection::vec(secret, 0..2)
}

/// The inputs exactly as they are hashed.
#[derive(Default)]
struct Bytes(Vec<(String, String)>);

impl Sink for Bytes {
    fn input(&mut self, name: &str, value: Value<'_>) {
        let value = match value {
            Value::Text(text) => format!("text {text}"),
            Value::Url(text) => format!("url {text}"),
            Value::Number(number) => format!("number {number}"),
            Value::Count(count) => format!("count {count}"),
            Value::Image { key, .. } => format!("key {key}"),
            Value::Files(files) => format!("files {:?}", files.digest),
        };
        self.0.push((name.to_owned(), value));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn different_recipes_never_encode_equally_and_the_listing_tells_them_apart(one in recipe(), two in recipe()) {
        let bases = bases();
        let encoded = |recipe: &Recipe| {
            let mut bytes = Bytes::default();
            encode(recipe, &[], &bases, &Outside::default(), &mut bytes);
            bytes.0
        };
        let differ = one != two;
        prop_assert_eq!(encoded(&one) != encoded(&two), differ);
        prop_assert_eq!(key(&one, &[], &bases, &Outside::default()) != key(&two, &[], &bases, &Outside::default()), differ);
        prop_assert_eq!(inputs(&one, &[], &bases, &Outside::default()) != inputs(&two, &[], &bases, &Outside::default()), differ);
    }
}
