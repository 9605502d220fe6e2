//! Tests of the layout and of what is rejected.

use super::*;
use crate::recipe::{Config, Lock, LockTool, StepSecret, Wishes};
use crate::spec::{SecretSource, WorkspacePath};

fn path(text: &str) -> WorkspacePath {
    WorkspacePath::resolve(&WorkspacePath::default(), text).unwrap()
}

fn recipe(steps: Vec<Step>) -> Recipe {
    Recipe {
        base: Base::Registry("debian:bookworm-slim".into()),
        steps,
        ..Recipe::default()
    }
}

fn apt(name: &str) -> Step {
    Step::Apt {
        packages: vec![name.into()],
    }
}

fn run(command: &str) -> Step {
    Step::Run {
        command: command.into(),
    }
}

fn env(name: &str, value: &str) -> Step {
    Step::Env(vec![(name.into(), value.into())])
}

fn copy(to: &str, owner: Option<&str>) -> Step {
    Step::Copy(Box::new(CopyStep {
        from: CopySource::Files(FileSet::File { path: path("a") }),
        to: to.into(),
        owner: owner.map(str::to_owned),
    }))
}

fn pip(requirements: Option<FileSet>) -> Step {
    Step::Pip(Box::new(Pip {
        interpreter: Interpreter::Base,
        requirements,
        packages: vec!["six".into()],
        index: None,
        extra_indexes: Vec::new(),
        extra_args: Vec::new(),
        bytecode: None,
        unless_named: None,
    }))
}

fn take(from: &str, owner: Option<&str>) -> Step {
    Step::Copy(Box::new(CopyStep {
        from: CopySource::Image {
            image: "other".into(),
            path: from.into(),
        },
        to: "there".into(),
        owner: owner.map(str::to_owned),
    }))
}

/// The fields that are rejected.
fn refused(recipe: &Recipe) -> Vec<String> {
    let (_, unsupported) = lay_out(recipe);
    unsupported.into_iter().map(|found| found.field).collect()
}

#[test]
fn the_fields_of_a_usual_image_keep_their_order() {
    let recipe = recipe(vec![
        apt("git"),
        env("A", "1"),
        pip(None),
        Step::Workdir("/app".into()),
        copy("src", None),
        run("make"),
    ]);
    let (layout, unsupported) = lay_out(&recipe);
    assert_eq!(unsupported, []);
    assert_eq!(layout.apt, ["git"]);
    assert_eq!(layout.environment, []);
    assert_eq!(layout.copies[0].to, "/app/src");
    let tasks: Vec<&str> = layout
        .commands
        .iter()
        .map(|command| match command.task {
            Task::Pip(..) => "pip",
            Task::Folder(..) => "folder",
            Task::Run(..) => "run",
            _ => "other",
        })
        .collect();
    assert_eq!(tasks, ["pip", "folder", "run"]);
    let last = &layout.commands[2];
    assert_eq!(last.variables, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(last.folder.as_deref(), Some("/app"));
}

#[test]
fn a_variable_is_known_only_to_what_follows_it() {
    let steps = vec![
        run("one"),
        env("A", "1"),
        run("two"),
        env("A", "2"),
        run("three"),
    ];
    let recipe = recipe(steps);
    let (layout, _) = lay_out(&recipe);
    let values = |at: usize| {
        let variables = layout.commands[at].variables.iter();
        variables
            .map(|(_, value)| value.as_str())
            .collect::<String>()
    };
    assert_eq!([values(0), values(1), values(2)], ["", "1", "2"]);
}

#[test]
fn what_comes_after_a_command_becomes_one() {
    let recipe = recipe(vec![apt("git"), run("make"), apt("curl"), pip(None)]);
    let (layout, unsupported) = lay_out(&recipe);
    assert_eq!(unsupported, []);
    assert_eq!(layout.apt, ["git"]);
    assert!(matches!(layout.commands[1].task, Task::Apt(..)));
    assert!(matches!(layout.commands[2].task, Task::Pip(..)));
}

#[test]
fn what_would_come_too_early_is_refused() {
    assert_eq!(
        refused(&recipe(vec![run("make"), copy("/a", None)])),
        ["copy"]
    );
    assert_eq!(
        refused(&recipe(vec![pip(None), copy("/usr/lib/a", None)])),
        ["copy"]
    );
    assert_eq!(
        refused(&recipe(vec![pip(None), copy("/etc", None)])),
        ["copy"]
    );
    assert_eq!(refused(&recipe(vec![pip(None), copy("/", None)])), ["copy"]);
    assert_eq!(
        refused(&recipe(vec![pip(None), copy("/usrx/a", None)])),
        [""; 0]
    );
    assert_eq!(refused(&recipe(vec![copy("/usr/lib/a", None)])), [""; 0]);
    let python = Step::Python {
        version: "3.12".into(),
    };
    assert_eq!(
        refused(&recipe(vec![run("make"), python])),
        ["python-version"]
    );
}

#[test]
fn everything_runs_as_root() {
    let user = |name: &str| Step::User(name.into());
    assert_eq!(refused(&recipe(vec![user("app"), run("make")])), ["steps"]);
    assert_eq!(refused(&recipe(vec![run("make"), user("app")])), [""; 0]);
    assert_eq!(refused(&recipe(vec![user("root"), run("make")])), [""; 0]);
}

#[test]
fn one_owner_for_all_is_envds_and_others_are_given_afterwards() {
    let all = recipe(vec![
        copy("/a", Some("1000")),
        copy("/b", Some("1000:1000")),
    ]);
    let (layout, _) = lay_out(&all);
    assert_eq!((layout.owner, layout.commands.len()), ((1000, 1000), 0));
    let some = recipe(vec![copy("/a", Some("app")), copy("/b", None)]);
    let (layout, _) = lay_out(&some);
    assert_eq!((layout.owner, layout.commands.len()), ((0, 0), 1));
    assert!(matches!(
        layout.commands[0].task,
        Task::Own {
            set: 0,
            owner: "app",
            ..
        }
    ));
}

#[test]
fn what_envd_cannot_do_is_named_by_its_field() {
    let lock = Step::Lock(Box::new(Lock {
        tool: LockTool::Uv,
        interpreter: Interpreter::Base,
        files: FileSet::Project {
            path: path("uv.lock"),
        },
        index: None,
        extra_indexes: Vec::new(),
        extra_args: Vec::new(),
        bytecode: None,
    }));
    let secret = |id: &str| StepSecret {
        id: id.into(),
        source: SecretSource::Env("X".into()),
        uses: Vec::new(),
    };
    let project = FileSet::Project {
        path: path("pyproject.toml"),
    };
    let whole = Recipe {
        platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
        base: Base::Scratch,
        steps: vec![lock, take("/x", None), pip(Some(project))],
        secrets: vec![secret("token"), secret("pip-secret-mounts-0")],
        wishes: Wishes {
            options: vec![("network".into(), "none".into())],
            ..Wishes::default()
        },
        ..Recipe::default()
    };
    assert_eq!(
        refused(&whole),
        [
            "base-image",
            "platform",
            "secret",
            "pip-secret-mounts",
            "builder-options",
            "requirements",
            "copy",
            "requirements",
        ]
    );
}

#[test]
fn what_only_the_finished_image_says_is_no_matter_of_envds() {
    let whole = Recipe {
        config: Config {
            entrypoint: Some(vec!["a".into()]),
            cmd: Some(vec!["b".into()]),
            user: Some("app".into()),
            labels: vec![("x".into(), "y".into())],
            ..Config::default()
        },
        ..recipe(Vec::new())
    };
    assert_eq!(refused(&whole), [""; 0]);
}

#[test]
fn what_comes_out_of_another_image_keeps_its_place_in_the_order() {
    let recipe = recipe(vec![
        run("make"),
        Step::Workdir("/app".into()),
        take("/x/./y/", Some("app")),
        run("make install"),
    ]);
    let (layout, unsupported) = lay_out(&recipe);
    assert_eq!(unsupported, []);
    let taken = Taken {
        image: "other",
        path: "/x/y".into(),
    };
    assert_eq!(layout.taken, [taken]);
    let place = Task::Place {
        taken: 0,
        to: "/app/there".into(),
        owner: "app",
    };
    assert_eq!(layout.commands[2].task, place);
    assert_eq!(layout.owner, (0, 0));
}

#[test]
fn owners_that_envd_would_lose_and_whole_images_are_refused() {
    assert_eq!(refused(&recipe(vec![take("/x", None)])), ["copy"]);
    assert_eq!(refused(&recipe(vec![take("/y/..", Some("0"))])), ["copy"]);
}

#[test]
fn a_copy_that_would_come_before_what_it_must_follow_is_refused() {
    let placed = || vec![Step::Workdir("/app".into()), take("/x", Some("0"))];
    let after = |to: &str| recipe([placed(), vec![copy(to, None)]].concat());
    assert_eq!(refused(&after("/app/there/more")), ["copy"]);
    assert_eq!(refused(&after("elsewhere")), [""; 0]);
}

/// envd inserts package names into a shell command without quoting.
#[test]
fn packages_whose_names_say_something_to_a_shell_are_installed_by_a_command() {
    let recipe = recipe(vec![apt("git=1:2.39.5-0+deb12u2"), apt("x; touch /pwned")]);
    let (layout, _) = lay_out(&recipe);
    assert_eq!(layout.apt, ["git=1:2.39.5-0+deb12u2"]);
    assert!(matches!(layout.commands[0].task, Task::Apt(..)));
}
