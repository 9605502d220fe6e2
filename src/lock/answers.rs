//! Puts the questions of `imgspec lock` to the backends that can answer them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::packages::NotFound;

/// Queries each backend once, with all questions for it; the answers are in the order of the questions.
pub(super) fn each_backend<Q, A>(
    questions: &[Q],
    backend: impl Fn(&Q) -> &Arc<dyn Backend>,
    ask: impl Fn(&dyn Backend, &[&Q]) -> Vec<Result<A, NotFound>>,
) -> Vec<Result<A, NotFound>> {
    let mut by_backend: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, question) in questions.iter().enumerate() {
        let places = by_backend.entry(backend(question).name()).or_default();
        places.push(at);
    }
    let unheard = || Err(NotFound::Failed("the builder gave no answer".to_owned()));
    let mut answers: Vec<_> = questions.iter().map(|_| unheard()).collect();
    for places in by_backend.into_values() {
        let wanted: Vec<&Q> = places.iter().map(|at| &questions[*at]).collect();
        let answered = ask(&**backend(wanted[0]), &wanted);
        for (at, answer) in places.iter().zip(answered) {
            answers[*at] = answer;
        }
    }
    answers
}
