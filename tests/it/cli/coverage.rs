//! What `coverage` lists is what the classifier works from, and what the pages show.

use std::fs;
use std::path::Path;

use super::run;

#[test]
fn the_pages_are_what_the_program_prints() {
    for crm in ["salesforce", "hubspot"] {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/coverage-{crm}.md"));
        let ran = run(&["coverage", crm, "--markdown"]).done();
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let said = format!("writegate coverage {crm} --markdown > docs/coverage-{crm}.md");
        assert!(fs::read_to_string(page).unwrap() == ran.out, "{said}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "our own output, not traffic")]
fn each_family_says_what_is_done_with_it() {
    let ran = run(&["coverage", "salesforce", "--json"]).done();
    assert_eq!(ran.code, 0);
    let families: Vec<serde_json::Value> = serde_json::from_str(&ran.out).unwrap();
    let of = |name: &str| {
        let found = families.iter().find(|family| family["family"] == name);
        let family = found.unwrap_or_else(|| panic!("{name}"));
        (family["treatment"].clone(), family["operation"].clone())
    };
    assert_eq!(
        of("composite requests"),
        ("decomposed".into(), serde_json::Value::Null)
    );
    assert_eq!(
        of("credentials"),
        ("judged as a whole".into(), "credential".into())
    );
    assert_eq!(of("SOAP"), ("decomposed".into(), serde_json::Value::Null));
    assert_eq!(
        of("SOAP of the org's own classes"),
        ("refused".into(), serde_json::Value::Null)
    );
    let all = run(&["coverage"]).done();
    assert_eq!(all.code, 0);
    for family in &families {
        let note = family["what"].as_str().unwrap();
        assert!(!note.is_empty() && all.out.contains(note), "{family}");
    }
}
