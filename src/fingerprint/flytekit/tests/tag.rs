//! What enters a tag, tested with digests that echo their arguments.

use crate::fingerprint::FilesError;
use crate::fingerprint::flytekit::{Base, CopyMode, Digests, Error, Fields, Spec, Value, repr};

/// Returns its arguments as the digest.
struct Echo;

impl Digests for Echo {
    fn requirements(&self, path: &str) -> Result<String, Error> {
        Ok(format!("requirements {path}"))
    }

    fn source(&self, source_root: &str, mode: &CopyMode) -> Result<String, Error> {
        Ok(format!("source {source_root} {}", repr(&mode.into())))
    }

    fn copy(&self, copy: &Value) -> Result<String, Error> {
        Ok(format!("copy {}", repr(copy)))
    }
}

/// Fails every request.
struct Nothing;

impl Digests for Nothing {
    fn requirements(&self, path: &str) -> Result<String, Error> {
        let path = path.to_owned();
        Err(FilesError::Missing { path, said: None }.into())
    }

    fn source(&self, _: &str, _: &CopyMode) -> Result<String, Error> {
        Err(Error::LoadedModules)
    }

    fn copy(&self, _: &Value) -> Result<String, Error> {
        let field = "copy".to_owned();
        Err(Error::NotList { field })
    }
}

fn spec(fields: Fields) -> Spec {
    Spec::new(fields, "x86_64").unwrap()
}

fn tag_text(fields: Fields) -> String {
    spec(fields).tag_text(&Echo).unwrap()
}

#[test]
fn files_enter_by_their_digests_and_the_registry_config_not_at_all() {
    let text = tag_text(Fields {
        source_root: Some("src".to_owned()),
        requirements: Some("r.txt".to_owned()),
        registry_config: "config.json".into(),
        copy: vec!["a"].into(),
        ..Fields::default()
    });
    let expected = "{'name': 'flytekit', \
        'source_root': 'source src <CopyFileDetection.LOADED_MODULES: 1>', \
        'requirements': 'requirements r.txt', 'platform': 'linux/amd64', \
        'source_copy_mode': <CopyFileDetection.LOADED_MODULES: 1>, 'copy': \"copy ['a']\"}";
    assert_eq!(text, expected);
}

#[test]
fn what_is_empty_is_no_file() {
    let text = tag_text(Fields {
        requirements: Some(String::new()),
        copy: Value::List(Vec::new()),
        tag_format: Some(String::new()),
        registry: Some(String::new()),
        ..Fields::default()
    });
    let expected = "{'name': 'flytekit', 'registry': '', 'requirements': '', \
        'platform': 'linux/amd64', 'tag_format': '', 'copy': []}";
    assert_eq!(text, expected);
}

#[test]
fn an_empty_source_root_is_none_to_copy_from() {
    let fields = Fields {
        name: "App".to_owned(),
        source_root: Some(String::new()),
        // flytekit treats false values as unset.
        source_copy_mode: Some(CopyMode::Other(false.into())),
        ..Fields::default()
    };
    let spec = spec(fields);
    assert_eq!(spec.0.source_copy_mode, Some(CopyMode::LoadedModules));
    let error = spec.tag(&Echo).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`app` copies sources but has no `source-root`"
    );
}

#[test]
fn a_base_is_asked_for_its_name_first_and_its_trouble_is_told() {
    let base = spec(Fields {
        name: "Base".to_owned(),
        requirements: Some("no.txt".to_owned()),
        ..Fields::default()
    });
    let child = spec(Fields {
        copy: 1.into(),
        base_image: Some(Base::Spec(Box::new(base))),
        ..Fields::default()
    });
    let error = child.image_name(&Nothing).unwrap_err();
    assert_eq!(error.to_string(), "`no.txt` does not exist");
    assert!(
        child
            .tag_text(&Echo)
            .unwrap()
            .contains("'base_image': 'base:")
    );
}

#[test]
fn the_id_asks_for_no_file_and_the_tag_has_no_dash() {
    let named = (0..99).map(|at| {
        spec(Fields {
            python_version: Value::Int(at),
            ..Fields::default()
        })
    });
    let with_dash: Vec<Spec> = named.filter(|spec| spec.id().contains('-')).collect();
    assert!(!with_dash.is_empty());
    for spec in with_dash {
        assert_eq!(spec.tag(&Nothing).unwrap(), spec.id().replace('-', "_"));
        assert_eq!(spec.id().len(), 22);
    }
}

#[test]
fn every_error_says_what_to_do() {
    let field = || "f".to_owned();
    let errors = [
        Error::BadRegistry { registry: field() },
        Error::CopyWithoutRoot { name: field() },
        Error::LoadedModules,
        Error::NotDict { field: field() },
        Error::NotList { field: field() },
        Error::NumberedPlaceholder { index: field() },
        Error::TagFormat { why: field() },
        Error::UnknownPlaceholder { name: field() },
    ];
    assert!(errors.iter().all(|error| error.help().len() == 1));
}
