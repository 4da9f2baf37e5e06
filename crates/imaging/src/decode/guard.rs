//! A decoder that panics is an image that cannot be read, and nothing else.

use striate_tensor::catch_panic;

/// What `decode` gives, or a line if it panics.
pub fn guarded<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_panic(decode).unwrap_or_else(|_| {
        Err("its decoder failed: the file is damaged or of a rare kind; save it anew as PNG".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_in_one_line() {
        let line = guarded::<()>(|| panic!("index out of bounds")).unwrap_err();
        assert!(line.contains("its decoder failed") && line.lines().count() == 1);
        assert_eq!(guarded(|| Ok(3)), Ok(3));
        assert!(guarded(|| guarded::<()>(|| panic!()).or(Ok(()))).is_ok());
    }
}
