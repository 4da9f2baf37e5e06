//! Devices: where tensors are computed.

use crate::backend::Place;
use crate::backend::reference::Reference;
use std::fmt;

/// Where tensors are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Device {
    /// This machine's processor.
    #[default]
    Cpu,
    /// A GPU, by number.
    Gpu(usize),
    /// This machine's processor, by plain loops ([`crate::backend::reference`]): slow, and right by its simplicity. Tests compare other devices with it.
    Reference,
    /// Nowhere: ops are written down, not computed.
    Capture,
}

/// Why a device cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// The name is not one of `auto`, `cpu` and `gpu`.
    Unknown(String),
    /// This program was built without support for GPUs.
    GpuNotBuiltIn,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceError::Unknown(name) => write!(f, "unknown device '{name}': it is one of auto, cpu, gpu"),
            DeviceError::GpuNotBuiltIn => f.write_str(
                "this build of Striate has no GPU support: use --device cpu, or auto, which takes what is there",
            ),
        }
    }
}

impl std::error::Error for DeviceError {}

impl Device {
    /// The first GPU if this build supports GPUs and the machine has one, else the CPU.
    pub fn cuda_if_available() -> Device {
        Device::gpu().unwrap_or(Device::Cpu)
    }

    /// The backend that keeps what is on this device.
    ///
    /// # Panics
    /// If this build or machine has no such device, or it is no place to keep tensors.
    pub fn place(self) -> Place {
        match self {
            Device::Cpu => Place::Cpu,
            Device::Reference => Place::Remote(Reference::shared()),
            Device::Gpu(_) => panic!("{}", DeviceError::GpuNotBuiltIn),
            Device::Capture => panic!("capture: a tensor cannot be moved into a capture, which makes its own"),
        }
    }

    /// The first GPU, or why it cannot be used.
    pub fn gpu() -> Result<Device, DeviceError> {
        Err(DeviceError::GpuNotBuiltIn)
    }
}

impl std::str::FromStr for Device {
    type Err = DeviceError;
    /// Reads `auto`, `cpu` or `gpu`.
    fn from_str(name: &str) -> Result<Device, DeviceError> {
        match name {
            "auto" => Ok(Device::cuda_if_available()),
            "cpu" => Ok(Device::Cpu),
            "gpu" | "cuda" => Device::gpu(),
            _ => Err(DeviceError::Unknown(name.to_string())),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Gpu(n) => write!(f, "gpu:{n}"),
            Device::Reference => f.write_str("reference"),
            Device::Capture => f.write_str("capture"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert_eq!("cpu".parse(), Ok(Device::Cpu));
        assert_eq!("auto".parse(), Ok(Device::cuda_if_available()));
        assert_eq!("tpu".parse::<Device>(), Err(DeviceError::Unknown("tpu".into())));
    }

    #[test]
    fn an_absent_gpu_gets_one_clear_line() {
        let line = "gpu".parse::<Device>().unwrap_err().to_string();
        assert!(line.contains("no GPU support") && !line.contains('\n'));
    }
}
