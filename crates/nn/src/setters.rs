//! Builder methods of settings.

/// A builder method for each field: `name: type, "doc";`.
macro_rules! setters {
    ($($name:ident: $type:ty, $doc:literal;)*) => {$(
        #[doc = $doc]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $name;
            self
        }
    )*};
}
pub(crate) use setters;
