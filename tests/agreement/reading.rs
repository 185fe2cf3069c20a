//! Our reading of one mail, as a tree that others' expected outputs can be held against.

use mailtap::event::build::{Arrival, EventBuilder, Settings};
use mailtap::event::{Origin, Part};
use mailtap::mime::embedded::Enclosed;
use mailtap::mime::parameter::Parameterized;
use mailtap::mime::{Entity, Finding, Kind, Visitor};

/// One entity: what the machine says of it, and for a leaf what the event does.
pub struct Node {
    pub kind: Kind,
    /// As IMAP numbers it.
    pub path: String,
    /// Where its header begins.
    pub offset: u64,
    /// Names in lower case, values unfolded and decoded.
    pub fields: Vec<(String, String)>,
    pub content_type: Parameterized,
    pub disposition: Option<Parameterized>,
    /// Decoded bytes of a leaf.
    pub content: Vec<u8>,
    /// `body_text` of its part.
    pub text: Option<String>,
    /// `filename` of its part, before it was cleaned.
    pub file_name: Option<String>,
    /// Files found in its content, which are parts behind it.
    pub enclosed: Vec<Vec<u8>>,
    pub children: Vec<Node>,
}

impl Node {
    /// `multipart/mixed(text/plain, message/rfc822(text/html))`.
    pub fn shape(&self) -> String {
        let children: Vec<String> = self.divided().iter().map(Node::shape).collect();
        match self.kind {
            Kind::Leaf | Kind::Cms => self.content_type.value.clone(),
            Kind::Multipart | Kind::Message => format!("{}({})", self.content_type.value, children.join(", ")),
        }
    }

    /// This entity and those in it, in the order of the mail.
    pub fn all(&self) -> Vec<&Node> {
        let inner = self.divided().iter().flat_map(Node::all);
        std::iter::once(self).chain(inner).collect()
    }

    /// What MIME divides it into. An S/MIME object is a leaf to everybody else.
    fn divided(&self) -> &[Node] {
        match self.kind {
            Kind::Cms => &[],
            _ => &self.children,
        }
    }

    /// The values of the fields called `name`.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(field, _)| field == name);
        named.map(|(_, value)| value.as_str()).collect()
    }
}

/// A mail as a tree, and what the event says of all of it.
pub struct Reading {
    pub root: Node,
    /// The names of the flags, with their severity before them: `high boundary_reused`.
    pub flags: Vec<String>,
}

impl Reading {
    /// Whether some flag says that readers can see different content.
    pub fn is_flagged_high(&self) -> bool {
        self.flags.iter().any(|flag| flag.starts_with("high "))
    }
}

pub fn read(mail: &[u8]) -> Reading {
    let settings = Settings {
        include_attachments: true,
        unwrap_journal: false,
        ..Settings::default()
    };
    let mut builder = EventBuilder::beside(Tree::default(), &settings);
    builder.feed(mail);
    let origin = Origin::File {
        source: "test".to_owned(),
    };
    let arrival = Arrival {
        origin,
        account: String::new(),
        internal_date: None,
        now: 0,
    };
    let (event, mut tree) = builder.finish_both(&settings, arrival);
    let mut root = tree.top.pop().unwrap();
    describe(&mut root, &mut event.message.parts.iter());
    let flags = event.message.anomalies.iter();
    let flags = flags.map(|found| format!("{} {}", found.severity, found.flag));
    Reading {
        root,
        flags: flags.collect(),
    }
}

/// Gives every leaf what the event's part says of it; both are in the order of the mail.
fn describe<'p>(node: &mut Node, parts: &mut impl Iterator<Item = &'p Part>) {
    if node.kind != Kind::Multipart {
        let part = parts.next().unwrap();
        node.text.clone_from(&part.body_text);
        node.file_name = part.filename_raw.clone().or_else(|| part.filename.clone());
        if let Some(message) = &part.message {
            let mut inner = message.parts.iter();
            for child in &mut node.children {
                describe(child, &mut inner);
            }
            assert!(inner.next().is_none());
            return;
        }
        for _ in &node.enclosed {
            parts.next().unwrap();
        }
    }
    for child in &mut node.children {
        describe(child, parts);
    }
}

#[derive(Default)]
struct Tree {
    open: Vec<Node>,
    top: Vec<Node>,
}

impl Visitor for Tree {
    fn begin(&mut self, entity: &Entity<'_>) {
        let charset = entity.content_type.parameter("charset");
        let fields = entity.fields.into_iter().map(|field| {
            let (mut unfolded, mut value) = (Vec::new(), String::new());
            field.text(charset, &mut unfolded, &mut value);
            (String::from_utf8_lossy(field.name).to_ascii_lowercase(), value)
        });
        let path: Vec<String> = entity.path.iter().map(u32::to_string).collect();
        self.open.push(Node {
            kind: entity.kind,
            path: path.join("."),
            offset: entity.offset,
            fields: fields.collect(),
            content_type: entity.content_type.clone(),
            disposition: entity.disposition.cloned(),
            content: Vec::new(),
            text: None,
            file_name: None,
            enclosed: Vec::new(),
            children: Vec::new(),
        });
    }

    fn body(&mut self, decoded: &[u8]) {
        self.open.last_mut().unwrap().content.extend(decoded);
    }

    fn cms(&mut self, depth: usize, decoded: &[u8]) {
        self.open[depth].content.extend(decoded);
    }

    fn enclosed(&mut self, found: Enclosed<'_>) {
        let files = &mut self.open.last_mut().unwrap().enclosed;
        match found {
            Enclosed::Begin(_) => files.push(Vec::new()),
            Enclosed::Data(bytes) => files.last_mut().unwrap().extend(bytes),
            Enclosed::Name(_) | Enclosed::End | Enclosed::Charset { .. } | Enclosed::Finding(_) => {}
        }
    }

    fn end(&mut self) {
        let node = self.open.pop().unwrap();
        let siblings = self.open.last_mut().map_or(&mut self.top, |outer| &mut outer.children);
        siblings.push(node);
    }

    fn finding(&mut self, _: Finding<'_>) {}
}
