//! What a caller is told of a bulk job that is not carried out.

use crate::error::{Refusal, RefusalKind};
use crate::proxy::words::{self, About};

/// What a job would do is not known here.
pub(super) fn unclear(why: &str) -> Refusal {
    let message = format!("Not written: cannot tell what the job would change ({why}).");
    Refusal::new(RefusalKind::Opaque, message)
}

/// Its upload did not pass here.
pub(super) fn unknown(job: &str) -> Refusal {
    opaque(&format!(
        "the rows of job {job} were not uploaded through here: make a new job and upload them again"
    ))
}

/// It was not made here, and took no rows here.
pub(super) fn elsewhere(job: &str) -> Refusal {
    opaque(&format!(
        "job {job} was not made through here and took no rows here: end it where it was made"
    ))
}

/// Its upload did not come to its end.
pub(super) fn unfed(job: &str) -> Refusal {
    opaque(&format!(
        "the upload of job {job} did not come to its end here: make a new job and upload them again"
    ))
}

/// A job is fed once.
pub(super) fn fed_twice(job: &str) -> Refusal {
    let message = format!("Not written: job {job} was fed before. Make a new job for other rows.");
    Refusal::new(RefusalKind::Malformed, message)
}

/// It takes no rows any more.
pub(super) fn over(job: &str) -> Refusal {
    let message = format!("Not written: job {job} is not open any more. Make a new one.");
    Refusal::new(RefusalKind::Malformed, message)
}

/// It is a job of the other one of both bulk APIs.
pub(super) fn other_api(job: &str) -> Refusal {
    let message = format!(
        "Not written: job {job} is not a job of this version of the bulk API. Feed it where it was made."
    );
    Refusal::new(RefusalKind::Malformed, message)
}

/// A batch is larger than Salesforce takes.
pub(super) fn large() -> Refusal {
    let message = format!(
        "Not written: the batch is larger than {} bytes. Send fewer rows at a time.",
        crate::crm::salesforce::bulk::batch::BYTES_MOST
    );
    Refusal::new(RefusalKind::TooLarge, message)
}

/// Another service account made or fed it.
pub(super) fn not_theirs(job: &str) -> Refusal {
    let message =
        format!("Not written: job {job} is another service account's. Make one of your own.");
    Refusal::new(RefusalKind::Denied, message)
}

fn opaque(why: &str) -> Refusal {
    Refusal::new(RefusalKind::Opaque, format!("Not written: {why}."))
}

/// The rules deny some of the rows that were looked at so far.
pub(super) fn denied(about: &About<'_>, all: u64, looked_at: u64) -> Refusal {
    let mut refusal = words::denied(about);
    let batch = about.changes.mutations().len();
    let (from, to) = (format!("0 of {batch}:"), format!("0 of {all}:"));
    refusal.message = refusal.message.replacen(&from, &to, 1);
    if let Some(rest) = all.checked_sub(looked_at).filter(|rest| *rest > 0) {
        let advice = format!("The last {rest} rows were not looked at.");
        refusal.message = match refusal.message.rsplit_once(" [entry ") {
            Some((said, entry)) => format!("{said} {advice} [entry {entry}"),
            None => refusal.message,
        };
    }
    refusal
}
