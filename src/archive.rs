//! Mail in files: single mails, Maildirs and mbox files.
