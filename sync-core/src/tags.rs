//! The one table of tags: the first byte of every structure under a hash or a signature.
//!
//! PROTOCOL.md carries the same table; a test compares the two.

/// Version of every hashed and signed layout in this release.
pub const FORMAT: u8 = 1;

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $number:literal),* $(,)?) => {
        /// What a hashed or signed structure is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Tag { $($(#[$doc])* $name = $number),* }

        impl Tag {
            /// All tags with their names, in order.
            pub const ALL: &'static [(Self, &'static str)] =
                &[$((Self::$name, stringify!($name))),*];
            /// The byte.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

tags! {
    /// Public key, for its short name.
    Key = 1,
    /// Chain, for its name.
    Chain = 2,
    /// Record, for its name.
    Record = 3,
    /// Part: a salted value.
    Part = 4,
    /// Change.
    Change = 5,
    /// Tip of a chain, as a leaf of a statement.
    Tip = 6,
    /// Cursors of a request.
    Cursors = 7,
    /// Statement, signed by the device.
    Statement = 8,
    /// Entry of the log, as a leaf of the tree.
    Leaf = 9,
    /// Head, signed by the log.
    Head = 10,
    /// Fates and leaves of one answer.
    Answer = 11,
    /// Receipt, signed by the log.
    Receipt = 12,
    /// Aside entry.
    Aside = 13,
    /// Review entry.
    Review = 14,
    /// Control entry.
    Control = 15,
    /// Read nonce.
    Nonce = 16,
    /// Request to enrol, signed by the device.
    Enrol = 17,
    /// The six digits that phone and console show.
    Digits = 18,
}
