//! Documents of many namespaces, and room for some of them.

use serde_json::json;

use super::*;

const ROUTES: DocumentKind = DocumentKind::HttpRoute;

fn document(namespace: &str, name: &str, weight: usize) -> Document {
    Document {
        key: format!("{namespace}/{name}"),
        namespace: namespace.into(),
        identity: Box::default(),
        content: Content::Some(json!([name, weight]), weight),
    }
}

fn everything(documents: &mut Documents) -> AllDocuments {
    for kind in DocumentKind::ALL {
        documents.go_without(kind);
    }
    documents.take().unwrap()
}

fn apply(documents: &mut Documents, document: Document) {
    documents.on_change(ROUTES, Change::Applied(document));
}

/// Ten thousand of one namespace, told one by one.
#[test]
fn a_namespace_has_its_part_and_no_more() {
    let mut documents = Documents::default();
    documents.on_change(ROUTES, Change::ListBegins);
    for number in 0..10_000 {
        let found = document("aaa", &format!("d{number:05}"), PART / 10);
        documents.on_change(ROUTES, Change::Found(found));
    }
    documents.on_change(ROUTES, Change::Found(document("bank", "legit", PART)));
    documents.on_change(ROUTES, Change::Listed(Vec::new()));
    let all = everything(&mut documents);
    assert_eq!((all.held.len(), all.left_out.len()), (11, 9_990));
    assert!(all.held.contains(&Arc::new(json!(["legit", PART]))));
    let LeftOut {
        namespace,
        title,
        reason,
        ..
    } = &all.left_out[0];
    assert_eq!(
        (namespace.as_str(), title.as_str(), *reason),
        ("aaa", "HTTPRoute aaa/d00010", Reason::Quota)
    );
    assert!(documents.take_hungry().is_empty());

    // Room is made: the kind is to be listed again, and what is held by then is no news.
    let gone = document("aaa", "d00000", 0);
    documents.on_change(ROUTES, Change::Deleted(gone));
    assert_eq!(documents.take_hungry(), BTreeSet::from([ROUTES]));
    apply(&mut documents, document("aaa", "d00010", PART / 10));
    assert_eq!(everything(&mut documents).held.len(), 11);
    documents.on_change(
        ROUTES,
        Change::Listed(vec![document("bank", "legit", PART)]),
    );
    let all = everything(&mut documents);
    assert_eq!(
        (all.held.len(), all.left_out.len()),
        (1, 0),
        "what is not listed is gone"
    );
    assert_eq!(documents.shares.sum(), PART);
}

#[test]
fn who_has_most_gives_way() {
    let mut documents = Documents::default();
    let greedy = WHOLE / PART;
    for namespace in 0..greedy {
        for number in 0..4 {
            let name = format!("n{namespace}");
            apply(
                &mut documents,
                document(&name, &format!("d{number}"), PART / 4),
            );
        }
    }
    assert_eq!(documents.shares.sum(), WHOLE);
    apply(&mut documents, document("bank", "legit", PART / 4));
    apply(&mut documents, document("n0", "more", PART / 4));
    let all = everything(&mut documents);
    assert!(all.held.contains(&Arc::new(json!(["legit", PART / 4]))));
    assert_eq!(all.left_out.len(), 2);
    assert!(all.left_out.iter().all(|it| it.namespace != "bank"));
    assert!(documents.shares.sum() <= WHOLE);
    documents.retain(|_| false);
    assert_eq!(documents.shares.sum(), 0);
}

#[test]
fn what_is_too_large_is_told_and_what_does_not_mirror_is_forgotten() {
    let mut documents = Documents::default();
    let with = |content: Content| Document {
        content,
        ..document("a", "d", 1)
    };
    apply(&mut documents, with(Content::Some(json!(1), 10)));
    apply(&mut documents, with(Content::TooLarge));
    assert!(documents.are_new());
    let all = everything(&mut documents);
    assert_eq!(all.held, []);
    assert_eq!(all.left_out[0].reason, Reason::Size);
    assert_eq!(documents.shares.sum(), 0);
    apply(&mut documents, with(Content::TooLarge));
    assert!(!documents.are_new());
    apply(&mut documents, with(Content::Nothing));
    assert_eq!(everything(&mut documents), AllDocuments::default());
}
