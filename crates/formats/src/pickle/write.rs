//! Writing a pickle: the few opcodes of protocol 2 that a state dict needs.

/// Collects the bytes of a pickle.
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn new() -> Writer {
        Writer { bytes: vec![0x80, 2] }
    }

    fn op(&mut self, opcode: u8) {
        self.bytes.push(opcode);
    }

    pub fn mark(&mut self) {
        self.op(b'(');
    }

    /// A tuple of what was written since the mark.
    pub fn tuple(&mut self) {
        self.op(b't');
    }

    pub fn empty_tuple(&mut self) {
        self.op(b')');
    }

    pub fn no(&mut self) {
        self.op(0x89);
    }

    /// Calls the name before the last tuple with it.
    pub fn call(&mut self) {
        self.op(b'R');
    }

    /// Makes a persistent id of the last tuple.
    pub fn persistent(&mut self) {
        self.op(b'Q');
    }

    /// Puts the pairs since the mark into the dictionary before it.
    pub fn set_items(&mut self) {
        self.op(b'u');
    }

    pub fn name(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.op(b'X');
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.bytes());
    }

    pub fn number(&mut self, number: usize) {
        match i32::try_from(number) {
            Ok(small) => {
                self.op(b'J');
                self.bytes.extend(small.to_le_bytes());
            }
            Err(_) => {
                self.bytes.extend([0x8a, 8]);
                self.bytes.extend((number as u64).to_le_bytes());
            }
        }
    }

    pub fn numbers(&mut self, numbers: &[usize]) {
        self.mark();
        for &number in numbers {
            self.number(number);
        }
        self.tuple();
    }

    pub fn empty_ordered_dict(&mut self) {
        self.name("collections", "OrderedDict");
        self.empty_tuple();
        self.call();
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.op(b'.');
        self.bytes
    }
}
