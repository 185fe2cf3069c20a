//! The fields of one header block, as an event shows them.

use std::fmt;

/// Lower-case field names → values in order.
///
/// One text holds all of them: a mail has dozens of fields, a hostile one a hundred thousand, and so each costs its bytes
/// and no allocation of its own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    text: String,
    /// In the order in which they came.
    places: Vec<Place>,
}

/// Where a field is in the text: its value stands behind its name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    name: u32,
    value: u32,
    end: u32,
}

impl Headers {
    /// With room for so many fields, of so many bytes together.
    pub fn with_room(fields: usize, bytes: usize) -> Headers {
        Headers {
            text: String::with_capacity(bytes),
            places: Vec::with_capacity(fields),
        }
    }

    /// Adds a field: its name in any case, and what `write` appends. Gives what `write` returns.
    pub fn add<R>(&mut self, name: &str, write: impl FnOnce(&mut String) -> R) -> R {
        let start = self.position();
        self.text.push_str(name);
        if let Some(name) = self.text.get_mut(usize_of(start)..) {
            name.make_ascii_lowercase();
        }
        let value = self.position();
        let result = write(&mut self.text);
        let end = self.position();
        self.places.push(Place {
            name: start,
            value,
            end,
        });
        result
    }

    /// Where the text ends; `limits::EVENT_HEADERS` is far below 4 GiB.
    fn position(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    /// The values of the fields called `name` (in lower case), in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let places = self.places.iter().filter(move |place| self.name(place) == name);
        places.map(|place| self.value(place))
    }

    /// The value of the first field called `name` (in lower case).
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Names and values, sorted by name; fields of one name in the order in which they came.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, &str)> {
        let numbered = |place| (beginning(self.name(place)), place);
        let mut places: Vec<(u64, &Place)> = self.places.iter().map(numbered).collect();
        places.sort_unstable_by(|(beginning, place), (other_beginning, other)| {
            let names = || self.name(place).cmp(self.name(other));
            let order = beginning.cmp(other_beginning).then_with(names);
            order.then(place.name.cmp(&other.name))
        });
        let in_order = places.into_iter();
        in_order.map(|(_, place)| (self.name(place), self.value(place)))
    }

    fn name(&self, place: &Place) -> &str {
        self.piece(place.name, place.value)
    }

    fn value(&self, place: &Place) -> &str {
        self.piece(place.value, place.end)
    }

    fn piece(&self, start: u32, end: u32) -> &str {
        self.text.get(usize_of(start)..usize_of(end)).unwrap_or_default()
    }
}

/// The first bytes of a name, as a number: numbers are in the order of names, where they differ. Compared at once, as nearly
/// all names differ here.
fn beginning(name: &str) -> u64 {
    let mut bytes = [0; 8];
    for (byte, of_name) in bytes.iter_mut().zip(name.bytes()) {
        *byte = of_name;
    }
    u64::from_be_bytes(bytes)
}

fn usize_of(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

impl<'f> FromIterator<(&'f str, &'f str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'f str, &'f str)>>(fields: I) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in fields {
            headers.add(name, |text| text.push_str(value));
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.by_name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Headers;

    #[test]
    fn values_of_one_name_stay_in_order_and_names_are_sorted_and_in_lower_case() {
        let headers = Headers::from_iter([
            ("To", "b"),
            ("Received", "1"),
            ("x-É", ""),
            ("RECEIVED", "2"),
            ("", "c"),
            ("Received-SPF", "3"),
            ("Receive", "0"),
        ]);
        assert_eq!(headers.all("received").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((headers.first("to"), headers.first("cc")), (Some("b"), None));
        let sorted: Vec<_> = headers.by_name().collect();
        let expected = [
            ("", "c"),
            ("receive", "0"),
            ("received", "1"),
            ("received", "2"),
            ("received-spf", "3"),
            ("to", "b"),
            ("x-É", ""),
        ];
        assert_eq!(sorted, expected);
        assert!(!headers.is_empty() && Headers::default().is_empty());
    }
}
