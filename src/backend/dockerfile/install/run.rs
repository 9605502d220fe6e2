//! A RUN instruction: its mounts, secrets and command. Names and secrets are passed as arguments and mounts, never as
//! shell text.

use crate::backend::dockerfile::quote;
use crate::recipe::{Recipe, SecretPlace};
use crate::spec::SecretStep;

/// The directory for secrets that a step receives as variables.
const SECRETS: &str = "/run/imgspec/secrets";

const TEMPORARY: &str = "/run/imgspec/tmp";

/// A RUN instruction under construction.
pub(crate) struct Run {
    mounts: Vec<String>,
    /// Variables, with the ids of the secrets they hold.
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Run {
    pub(crate) fn new<S: Into<String>>(arguments: impl IntoIterator<Item = S>) -> Self {
        Self {
            mounts: Vec::new(),
            variables: Vec::new(),
            arguments: arguments.into_iter().map(Into::into).collect(),
        }
    }

    /// A generated script with its arguments; `name` stands for it in error messages.
    pub(super) fn script<S: Into<String>>(
        script: &str,
        name: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut run = Self::new(["/bin/sh", "-c", script, name]);
        run.arguments.extend(arguments.into_iter().map(Into::into));
        run
    }

    /// With a place of its own for temporary files, which does not become part of the image, if a shell runs it.
    pub(super) fn apart(mut self) -> Self {
        let [shell, option, script, ..] = self.arguments.as_mut_slice() else {
            return self;
        };
        if shell != "/bin/sh" || option != "-c" {
            return self;
        }
        *script = format!("export TMPDIR={TEMPORARY}\n{script}");
        self.mount(format!("type=tmpfs,target={TEMPORARY}"))
    }

    pub(super) fn mount(mut self, mount: impl Into<String>) -> Self {
        self.mounts.push(mount.into());
        self
    }

    /// Adds the secrets for a kind of step.
    pub(crate) fn given(mut self, recipe: &Recipe, step: SecretStep) -> Self {
        for (id, place) in recipe.secrets_of(step) {
            let target = match place {
                SecretPlace::File(path) => path.clone(),
                SecretPlace::Env(variable) => {
                    self.variables.push((variable.clone(), id.to_owned()));
                    format!("{SECRETS}/{id}")
                }
            };
            // Readable by whichever user the step runs as; there are no other users in the build.
            let mount = format!("type=secret,id={id},target={target},mode=0444,required=true");
            if !self.mounts.contains(&mount) {
                self.mounts.push(mount);
            }
        }
        self
    }

    pub(crate) fn line(self) -> String {
        let mut line = "RUN ".to_owned();
        for mount in &self.mounts {
            line.push_str("--mount=");
            line.push_str(mount);
            line.push(' ');
        }
        if self.variables.is_empty() {
            return line + &quote::exec(self.arguments);
        }
        // Frontends before BuildKit 0.16 provide secrets only as files. Variable names are valid in a shell, and ids
        // contain no special characters.
        let sets = self
            .variables
            .iter()
            .map(|(name, id)| format!("{name}=$(cat {SECRETS}/{id}) && export {name} && "));
        let script = sets.collect::<String>() + "exec \"$0\" \"$@\"";
        let head = ["/bin/sh".to_owned(), "-c".to_owned(), script];
        line + &quote::exec(head.into_iter().chain(self.arguments))
    }
}

pub(super) fn cache(target: &str, id: &str, sharing: &str) -> String {
    format!("type=cache,target={target},id=imgspec-{id},sharing={sharing}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Given, StepSecret};
    use crate::spec::SecretSource;

    fn recipe(places: Vec<SecretPlace>) -> Recipe {
        let step = SecretStep::Run;
        let given = |place| Given { step, place };
        Recipe {
            secrets: vec![StepSecret {
                id: "token".into(),
                source: SecretSource::Env("TOKEN".into()),
                uses: places.into_iter().map(given).collect(),
            }],
            ..Recipe::default()
        }
    }

    #[test]
    fn a_secret_is_mounted_where_it_is_asked_for_and_only_there() {
        let recipe = recipe(vec![SecretPlace::File("/root/.netrc".into())]);
        let run = |step| {
            Run::new(["/bin/sh", "-c", "make"])
                .given(&recipe, step)
                .line()
        };
        assert_eq!(
            run(SecretStep::Run),
            r#"RUN --mount=type=secret,id=token,target=/root/.netrc,mode=0444,required=true ["/bin/sh","-c","make"]"#
        );
        assert_eq!(run(SecretStep::Apt), r#"RUN ["/bin/sh","-c","make"]"#);
    }

    #[test]
    fn a_variable_is_set_for_the_one_command() {
        let recipe = recipe(vec![SecretPlace::Env("API_TOKEN".into())]);
        assert_eq!(
            Run::new(["/bin/sh", "-c", "make"])
                .given(&recipe, SecretStep::Run)
                .line(),
            "RUN --mount=type=secret,id=token,target=/run/imgspec/secrets/token,mode=0444,required=true \
             [\"/bin/sh\",\"-c\",\"API_TOKEN=$(cat /run/imgspec/secrets/token) && export API_TOKEN && exec \\\"$0\\\" \\\"$@\\\"\",\
             \"/bin/sh\",\"-c\",\"make\"]"
        );
    }
}
