//! What LimaCharlie's own adapter does and mailtap does not: refused, or told in a notice.

use super::node::Finding;
use super::settings::Section;

/// The original leaves out mails by `filters`. Without any, `filter_mode` changes nothing in it either.
pub(super) fn filters(section: &Section<'_>) -> Result<Option<Finding>, Finding> {
    if section.is_set("filters") {
        let reason =
            "every mail is delivered here, none is filtered out: filter by rules in LimaCharlie, and remove `filters`";
        return Err(section.fault("filters", reason));
    }
    let notice = || section.fault("filter_mode", "has no effect: mails are not filtered");
    Ok(section.is_set("filter_mode").then(notice))
}
