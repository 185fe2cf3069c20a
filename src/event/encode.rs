//! [`EmailEvent`](super::EmailEvent) → one line of JSON.
