//! Paths: the canonical form is canonical, holds nothing that a server might read otherwise, and has the
//! segments that decoding each one once gives.

use percent_encoding::percent_decode_str;
use writegate::crm::path::CanonicalPath;

pub(crate) fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(path) = CanonicalPath::parse(text) else {
        return;
    };
    let again = CanonicalPath::parse(path.as_str()).unwrap();
    assert_eq!(again.segments(), path.segments());
    assert_eq!(again.as_str(), path.as_str());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte);
    assert!(path.as_str().bytes().all(plain), "{}", path.as_str());
    for segment in path.segments() {
        assert!(!matches!(segment.as_str(), "" | "." | ".."), "{text}");
        assert!(!segment.contains('\\') && !segment.chars().any(char::is_control));
    }
    let once = text.trim_matches('/').split('/');
    let decoded = once.map(|raw| percent_decode_str(raw).decode_utf8().unwrap().into_owned());
    let decoded: Vec<String> = decoded.filter(|segment| !segment.is_empty()).collect();
    assert_eq!(decoded, path.segments());
    let shown = path.outline();
    assert_eq!(shown.matches('/').count(), path.segments().len().max(1));
    let bare = path.clone().without_login_host();
    assert!(path.segments().ends_with(bare.segments()));
}
