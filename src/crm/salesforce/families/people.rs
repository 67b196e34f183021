//! Families that reach people: Chatter and Connect, notifications, files.

use super::{Entry, How, Naming, judged, path, whole};
use crate::mutation::Operation;

/// In the order in which they are tried. The communities' alias tree is taken out of the path before.
pub(super) static ENTRIES: &[Entry] = &[
    judged(
        "Chatter posts and messages",
        Operation::Send,
        "posts, comments, messages and invitations, also where the text stands in the query; named \
         chatter/feed-elements, chatter/users …",
        &[
            path("P", "chatter/feed-elements", POSTS),
            path("P", "chatter/feed-elements/batch", POSTS),
            path(
                "P",
                "chatter/feed-elements/*/capabilities/comments/items",
                POSTS,
            ),
            path("P", "chatter/users/*/messages", POSTS),
            path("P", "chatter/users/*/conversations/**", POSTS),
            path("P", "chatter/groups/group/*/invite", POSTS),
            path("P", "chatter/groups/*/invite", POSTS),
            path("P", "chatter/feeds/**", POSTS),
            whole(
                "P",
                "analytics/notifications/**",
                Operation::Send,
                "analytics/notifications",
            ),
            whole(
                "PUAD",
                "/services/auth/headless/**",
                Operation::Send,
                "auth/headless",
            ),
        ],
    ),
    judged(
        "other Chatter changes",
        Operation::Invoke,
        "groups, likes, memberships, edited and deleted posts; named chatter/groups …",
        &[path(
            "PUAD",
            "chatter/*/**",
            How::Whole(Operation::Invoke, Naming::Below("chatter")),
        )],
    ),
    judged(
        "notifications",
        Operation::Invoke,
        "connect/notifications: marks them read, runs what they offer",
        &[whole(
            "PUAD",
            "connect/notifications/**",
            Operation::Invoke,
            "connect/notifications",
        )],
    ),
    judged(
        "file downloads and public links",
        Operation::Export,
        "named connect/files, servlet",
        &[
            whole("R", "connect/files/*/content", Operation::Export, FILES),
            whole(
                "PUA",
                "connect/files/*/file-shares/link",
                Operation::Export,
                FILES,
            ),
            whole(
                "R",
                "connect/briefcase/priming-records",
                Operation::Export,
                "connect/briefcase",
            ),
            whole(
                "R",
                "connect/conversation/*/entries",
                Operation::Export,
                "connect/conversation",
            ),
            whole("R", "/servlet/**", Operation::Export, "servlet"),
            whole("R", "/sfc/**", Operation::Export, "servlet"),
        ],
    ),
    judged(
        "file uploads",
        Operation::Import,
        "named connect/files, ui-api/content-documents, connect/user-profiles",
        &[
            whole("P", "connect/files/users/me", Operation::Import, FILES),
            whole("P", "connect/files/*", Operation::Import, FILES),
            whole(
                "PUA",
                "ui-api/records/content-documents/**",
                Operation::Import,
                "ui-api/content-documents",
            ),
            whole(
                "PUAD",
                "connect/user-profiles/*/photo",
                Operation::Import,
                "connect/user-profiles",
            ),
        ],
    ),
    judged(
        "shared and deleted files",
        Operation::Invoke,
        "named connect/files",
        &[whole("PUAD", "connect/files/**", Operation::Invoke, FILES)],
    ),
];

const FILES: &str = "connect/files";
const POSTS: How = How::Whole(Operation::Send, Naming::Below("chatter"));
