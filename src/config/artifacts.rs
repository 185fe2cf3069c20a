//! `attachment_ingest_key`: the store of attachments.

use super::node::Finding;
use super::receiver;
use super::settings::Section;
use crate::event;
use crate::secret::Secret;
use crate::sink::artifact;
use crate::sink::limacharlie::discovery;

/// Where attachments are stored apart. A retention alone changes nothing in the original either.
pub(super) fn artifacts(
    section: &Section<'_>,
    event: &event::build::Settings,
) -> Result<(Option<artifact::Settings>, Vec<Finding>), Finding> {
    let ingest_key = section.text("attachment_ingest_key")?;
    let retention_days = section.number("attachment_retention_days")?.filter(|days| *days > 0);
    let Some(ingest_key) = ingest_key else {
        let notice = section.fault(
            "attachment_retention_days",
            "has no effect without attachment_ingest_key",
        );
        return Ok((None, retention_days.map(|_| notice).into_iter().collect()));
    };
    let identity = section.section("client_options").section("identity");
    let directory = receiver::checked_oid(&identity)
        .and_then(|oid| discovery::address(&oid).map_err(|error| identity.fault("oid", &error.to_string())))?;
    let settings = artifact::Settings {
        oid: event.oid.clone(),
        ingest_key: Secret::new(ingest_key),
        retention_days,
        hostname: event.hostname.clone(),
        directory,
    };
    let reason = "the original uploads nothing without include_attachments; every attachment is uploaded here";
    let unlike = || section.fault("attachment_ingest_key", reason);
    let notice = (!event.include_attachments).then(unlike);
    Ok((Some(settings), notice.into_iter().collect()))
}
