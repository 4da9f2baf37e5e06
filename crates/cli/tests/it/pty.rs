//! A pseudo-terminal, its screen, and a program in it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// However busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// The program in a terminal that is its own session's.
pub struct Terminal {
    /// None of a terminal that was closed.
    master: Option<File>,
    pub child: Child,
    emulator: vt100::Parser,
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("a terminal has rows and columns")
}

impl Terminal {
    /// Starts the program in directory `dir`, in a terminal of this size.
    pub fn start(dir: &Path, [columns, rows]: [u16; 2], args: &[&str]) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        tcsetwinsize(&master, size(columns, rows)).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits() as i32)
            .open(Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())))
            .unwrap();
        // Who runs this test may ignore signals itself, as nohup does. setsid makes the terminal that of the program, under the same process id.
        let child = Command::new("env")
            .args(["--default-signal=HUP", "--default-signal=INT", "--default-signal=TERM"])
            .args(["setsid", "--ctty", env!("CARGO_BIN_EXE_striate")])
            .args(args)
            .current_dir(dir)
            .env("TERM", "xterm-256color")
            .env_remove("STRIATE_ISA")
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        Terminal {
            master: Some(File::from(master)),
            child,
            emulator: vt100::Parser::new(cells(rows), cells(columns), 1000),
        }
    }

    /// What is on the screen.
    pub fn screen(&self) -> &vt100::Screen {
        self.emulator.screen()
    }

    /// What is on the screen, as text.
    pub fn text(&self) -> String {
        self.screen().contents()
    }

    /// The character in a cell; rows and columns count from 0.
    pub fn cell(&self, column: u16, row: u16) -> String {
        self.screen().cell(row, column).map_or_else(String::new, |cell| cell.contents().to_string())
    }

    /// Takes what the program has written; says whether it may write more.
    fn read(&mut self) -> bool {
        let Some(master) = &self.master else { return true };
        let mut ready = [PollFd::new(master, PollFlags::IN)];
        if poll(&mut ready, Some(&PAUSE)).unwrap_or(0) == 0 {
            return true;
        }
        self.take()
    }

    /// Waits until the screen is as `is` says.
    pub fn wait_for(&mut self, what: &str, is: impl Fn(&Terminal) -> bool) {
        let start = Instant::now();
        while !is(self) {
            let goes_on = self.read();
            assert!(goes_on || is(self), "the program has ended: {what}\n{}", self.text());
            assert!(start.elapsed() < PATIENCE, "{what}\n{}", self.text());
        }
    }

    /// Waits for the program to end, and gives its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            let more = self.read();
            if let Some(status) = self.child.try_wait().unwrap() {
                while self.master.is_some() && self.take() {}
                return status.code();
            }
            assert!(start.elapsed() < PATIENCE, "the program does not end\n{}", self.text());
            if !more || self.master.is_none() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Waits for what the program writes next and takes it; says whether there was something.
    fn take(&mut self) -> bool {
        let Some(master) = &mut self.master else { return false };
        let mut bytes = [0; 4096];
        match master.read(&mut bytes) {
            Ok(0) | Err(_) => false,
            Ok(n) => {
                self.emulator.process(&bytes[..n]);
                true
            }
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.master.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    pub fn resize(&mut self, [columns, rows]: [u16; 2]) {
        self.emulator.screen_mut().set_size(cells(rows), cells(columns));
        tcsetwinsize(self.master.as_ref().unwrap(), size(columns, rows)).unwrap();
    }

    /// Closes the terminal, as its window does.
    pub fn close(&mut self) {
        self.master = None;
    }

    /// Whether the terminal is as a shell wants it: no alternate screen, a cursor, and keys are echoed and come by lines.
    pub fn is_given_back(&self) -> bool {
        let modes = tcgetattr(self.master.as_ref().unwrap()).unwrap().local_modes;
        let screen = self.screen();
        !screen.alternate_screen() && !screen.hide_cursor() && modes.contains(LocalModes::ECHO | LocalModes::ICANON)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves no training behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
