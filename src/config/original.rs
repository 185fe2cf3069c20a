//! What LimaCharlie's own adapter does and mailtap does not: refused, or told in a notice.

use super::node::Finding;
use super::reference::Environment;
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

/// The original gets to LimaCharlie through the proxy that the environment names. Its URL may hold a password.
pub(super) fn proxy_of_the_environment(options: &Section<'_>, environment: Environment<'_>) -> Option<Finding> {
    let is_set = |name: &&str| environment(name).is_some_and(|url| !url.is_empty());
    let name = ["HTTPS_PROXY", "https_proxy"].into_iter().find(is_set)?;
    let reason = format!("is not set, and {name} has no effect here: set client_options.proxy.url");
    Some(options.section("proxy").fault("url", &reason))
}
