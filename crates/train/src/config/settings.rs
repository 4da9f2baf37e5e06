//! The macro that defines settings once: as they are asked for, and as they are run.

/// What a setting is made of: a value of its type, or a `&str` for text.
pub trait IntoSetting<T> {
    /// The value.
    fn into_setting(self) -> T;
}

impl<T> IntoSetting<T> for T {
    fn into_setting(self) -> T {
        self
    }
}

impl IntoSetting<String> for &str {
    fn into_setting(self) -> String {
        self.into()
    }
}

/// Defines two structs of the same settings: the one that is asked for, in which each may be left out, and the one that is run, in which each that is
/// required has a value. What is resolved later has a type of its own in the first, which puts a value into the second if it has one.
macro_rules! settings {
    (
        $(#[$asked_doc:meta])* asked $asked:ident
        $(#[$resolved_doc:meta])* resolved $resolved:ident
        required { $($(#[$required_doc:meta])* $required:ident: $required_type:ty = $default:expr,)* }
        $(resolved_later {
            $($(#[$later_doc:meta])* $later:ident: $later_asked:ty => $later_resolved:ty = $later_default:expr,)*
        })?
        optional { $($(#[$optional_doc:meta])* $optional:ident: $optional_type:ty,)* }
        sections { $($(#[$section_doc:meta])* $section:ident: $section_asked:ty => $section_resolved:ty,)* }
        optional_sections { $($(#[$part_doc:meta])* $part:ident: $part_asked:ty => $part_resolved:ty,)* }
    ) => {
        $(#[$asked_doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $asked {
            $(
                $(#[$required_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $required: Option<$required_type>,
            )*
            $($(
                $(#[$later_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $later: Option<$later_asked>,
            )*)?
            $(
                $(#[$optional_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$optional_type>,
            )*
            $(
                $(#[$section_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $section: Option<$section_asked>,
            )*
            $(
                $(#[$part_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $part: Option<$part_asked>,
            )*
        }

        $(#[$resolved_doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $resolved {
            $(
                $(#[$required_doc])*
                pub $required: $required_type,
            )*
            $($(
                $(#[$later_doc])*
                pub $later: $later_resolved,
            )*)?
            $(
                $(#[$optional_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$optional_type>,
            )*
            $(
                $(#[$section_doc])*
                pub $section: $section_resolved,
            )*
            $(
                $(#[$part_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $part: Option<$part_resolved>,
            )*
        }

        impl Default for $resolved {
            fn default() -> Self {
                $resolved {
                    $($required: $default,)*
                    $($($later: $later_default,)*)?
                    $($optional: None,)*
                    $($section: Default::default(),)*
                    $($part: None,)*
                }
            }
        }

        impl $asked {
            $(
                $(#[$required_doc])*
                pub fn $required(mut self, $required: impl $crate::IntoSetting<$required_type>) -> Self {
                    self.$required = Some($required.into_setting());
                    self
                }
            )*
            $($(
                $(#[$later_doc])*
                pub fn $later(mut self, $later: impl $crate::IntoSetting<$later_asked>) -> Self {
                    self.$later = Some($later.into_setting());
                    self
                }
            )*)?
            $(
                $(#[$optional_doc])*
                pub fn $optional(mut self, $optional: impl $crate::IntoSetting<$optional_type>) -> Self {
                    self.$optional = Some($optional.into_setting());
                    self
                }
            )*
            $(
                $(#[$section_doc])*
                pub fn $section(mut self, $section: $section_asked) -> Self {
                    self.$section = Some($section);
                    self
                }
            )*
            $(
                $(#[$part_doc])*
                pub fn $part(mut self, $part: $part_asked) -> Self {
                    self.$part = Some($part);
                    self
                }
            )*

            /// The names of all settings, those of sections with their section.
            pub fn names() -> Vec<String> {
                let mut names = Vec::new();
                names.extend([$(stringify!($required),)* $(stringify!($optional),)*].map(String::from));
                $(names.extend([$(stringify!($later)),*].map(String::from));)?
                $(
                    let inner = <$section_asked>::names().into_iter();
                    names.extend(inner.map(|name| format!("{}.{name}", stringify!($section))));
                )*
                $(
                    let inner = <$part_asked>::names().into_iter();
                    names.extend(inner.map(|name| format!("{}.{name}", stringify!($part))));
                )*
                names
            }

            /// The names of the settings that are asked for.
            pub fn asked(&self) -> Vec<String> {
                let mut names = Vec::new();
                $(names.extend(self.$required.as_ref().map(|_| stringify!($required).to_string()));)*
                $($(names.extend(self.$later.as_ref().map(|_| stringify!($later).to_string()));)*)?
                $(names.extend(self.$optional.as_ref().map(|_| stringify!($optional).to_string()));)*
                $(
                    let inner = self.$section.iter().flat_map(|section| section.asked());
                    names.extend(inner.map(|name| format!("{}.{name}", stringify!($section))));
                )*
                $(
                    let inner = self.$part.iter().flat_map(|part| part.asked());
                    names.extend(inner.map(|name| format!("{}.{name}", stringify!($part))));
                )*
                names
            }

            /// Puts what is asked for in the place of what is there.
            pub(crate) fn apply(&self, to: &mut $resolved) {
                $(self.$required.iter().for_each(|value| to.$required = value.clone());)*
                $($(self.$later.iter().for_each(|value| value.put(&mut to.$later));)*)?
                $(self.$optional.iter().for_each(|value| to.$optional = Some(value.clone()));)*
                $(
                    if let Some(section) = &self.$section {
                        section.apply(&mut to.$section);
                    }
                )*
                $(
                    if let Some(part) = &self.$part {
                        part.apply(to.$part.get_or_insert_default());
                    }
                )*
            }
        }
    };
}
pub(crate) use settings;
