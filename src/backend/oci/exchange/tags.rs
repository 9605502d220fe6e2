//! The list of a repository's tags, all at once or page by page.

use hyper::StatusCode;

use super::answer::{self, Answer, Code, Refusal};
use super::request::on_files;
use super::route::parameter;
use crate::backend::oci::name::{Repository, Tag};
use crate::backend::oci::store::Links;

pub(super) async fn list(
    links: &Links,
    of: Repository,
    query: Option<&str>,
) -> Result<Answer, Refusal> {
    let most = parameter(query, "n").map(|text| text.parse::<usize>());
    let no_number = |_| Refusal::new(Code::Unsupported, "`n` is not a number");
    let most = most.transpose().map_err(no_number)?;
    let last = parameter(query, "last");
    let (own, from) = (links.clone(), of.clone());
    let tags = on_files(move || own.tags(&from)).await?;
    let words = || format!("repository `{of}` is not known");
    let tags = tags.ok_or_else(|| Refusal::new(Code::NameUnknown, words()))?;
    let (page, has_more) = page(&tags, most, last.as_deref());
    let text = serde_json::json!({ "name": of.as_str(), "tags": page });
    let mut head = answer::head(StatusCode::OK).header("Content-Type", "application/json");
    if let (true, Some(last), Some(most)) = (has_more, page.last(), most) {
        let link = format!("</v2/{of}/tags/list?n={most}&last={last}>; rel=\"next\"");
        head = head.header("Link", link);
    }
    Ok(answer::full(head, text.to_string().into()))
}

/// At most so many tags after the last one, and whether there are more.
fn page<'a>(tags: &'a [Tag], most: Option<usize>, last: Option<&str>) -> (Vec<&'a str>, bool) {
    let names = tags.iter().map(Tag::as_str);
    let rest: Vec<&str> = names
        .filter(|name| last.is_none_or(|last| *name > last))
        .collect();
    let shown = most.map_or(rest.len(), |most| most.min(rest.len()));
    (rest[..shown].to_vec(), shown < rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let tags = ["A", "a", "b"].map(|tag| Tag::read(tag).unwrap());
        let all = vec!["A", "a", "b"];
        assert_eq!(page(&tags, None, None), (all.clone(), false));
        assert_eq!(page(&tags, Some(9), None), (all, false));
        assert_eq!(page(&tags, Some(2), None), (vec!["A", "a"], true));
        assert_eq!(page(&tags, Some(2), Some("a")), (vec!["b"], false));
        assert_eq!(page(&tags, Some(0), None), (vec![], true));
        assert_eq!(page(&tags, None, Some("x")), (vec![], false));
    }
}
