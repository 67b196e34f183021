//! What an answer says of the CRM's own quota.

use http::HeaderMap;

use crate::mutation::CrmKind;

/// Calls that are allowed and left in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Calls allowed.
    pub max: u64,
    /// Calls left.
    pub remaining: u64,
}

/// What an answer says; nothing where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Of the day (a rolling one at Salesforce).
    pub daily: Option<Window>,
    /// Of the interval of seconds that HubSpot counts in.
    pub interval: Option<Window>,
    /// How long that interval is, in milliseconds.
    pub interval_ms: Option<u64>,
}

/// Reads Salesforce's `Sforce-Limit-Info: api-usage=USED/MAX` (REST developer guide, Limit Info
/// Header) and HubSpot's `X-HubSpot-RateLimit-*` (API usage guidelines).
pub(super) fn of(crm: CrmKind, headers: &HeaderMap) -> Quota {
    match crm {
        CrmKind::Salesforce => Quota {
            daily: text(headers, "sforce-limit-info").and_then(api_usage),
            ..Quota::default()
        },
        CrmKind::HubSpot => Quota {
            daily: pair(
                headers,
                "x-hubspot-ratelimit-daily",
                "x-hubspot-ratelimit-daily-remaining",
            ),
            interval: pair(
                headers,
                "x-hubspot-ratelimit-max",
                "x-hubspot-ratelimit-remaining",
            ),
            interval_ms: number(headers, "x-hubspot-ratelimit-interval-milliseconds"),
        },
    }
}

/// `api-usage=25/5000`, perhaps with `; per-app-api-usage=…` behind it.
fn api_usage(text: &str) -> Option<Window> {
    let (used, max) = text
        .split([';', ','])
        .find_map(|part| part.trim().strip_prefix("api-usage="))?
        .split_once('/')?;
    let max = max.trim().parse::<u64>().ok()?;
    let used = used.trim().parse::<u64>().ok()?;
    Some(Window {
        max,
        remaining: max.saturating_sub(used),
    })
}

fn pair(headers: &HeaderMap, max: &str, remaining: &str) -> Option<Window> {
    Some(Window {
        remaining: number(headers, remaining)?,
        max: number(headers, max)?,
    })
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    fn window(max: u64, remaining: u64) -> Option<Window> {
        Some(Window { max, remaining })
    }

    #[test]
    fn salesforce_tells_the_day_with_and_without_its_apps() {
        for text in [
            "api-usage=25/5000",
            "api-usage=25/5000; per-app-api-usage=17/250(appName=sample)",
        ] {
            let quota = of(
                CrmKind::Salesforce,
                &headers(&[("sforce-limit-info", text)]),
            );
            assert_eq!((quota.daily, quota.interval), (window(5000, 4975), None));
        }
        // over the limit, and nonsense
        let over = of(
            CrmKind::Salesforce,
            &headers(&[("sforce-limit-info", "api-usage=5001/5000")]),
        );
        assert_eq!(over.daily, window(5000, 0));
        let odd = headers(&[("sforce-limit-info", "per-app-api-usage=1/2")]);
        assert_eq!(of(CrmKind::Salesforce, &odd), Quota::default());
    }

    #[test]
    fn hubspot_tells_the_interval_and_sometimes_the_day() {
        let both = headers(&[
            ("X-HubSpot-RateLimit-Max", "190"),
            ("X-HubSpot-RateLimit-Remaining", "188"),
            ("X-HubSpot-RateLimit-Interval-Milliseconds", "10000"),
            ("X-HubSpot-RateLimit-Daily", "650000"),
            ("X-HubSpot-RateLimit-Daily-Remaining", "649000"),
        ]);
        let quota = of(CrmKind::HubSpot, &both);
        assert_eq!(quota.interval, window(190, 188));
        assert_eq!(quota.interval_ms, Some(10_000));
        assert_eq!(quota.daily, window(650_000, 649_000));
        let oauth = headers(&[
            ("X-HubSpot-RateLimit-Max", "110"),
            ("X-HubSpot-RateLimit-Remaining", "0"),
        ]);
        let quota = of(CrmKind::HubSpot, &oauth);
        assert_eq!((quota.interval, quota.daily), (window(110, 0), None));
    }
}
