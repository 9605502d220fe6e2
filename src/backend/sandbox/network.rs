//! The loopback interface of a network namespace of its own, which the kernel makes switched off.

use std::io;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

/// The length of `struct nlmsghdr`, and of that with `struct ifinfomsg`.
const HEADER: usize = 16;
const LENGTH: u32 = 32;

/// `NLM_F_REQUEST` and `NLM_F_ACK`: something to do, and say whether it is done.
const FLAGS: u16 = 1 | 4;

/// `IFF_UP`.
const UP: u32 = 1;

/// The kernel numbers interfaces from 1, and the first one of every namespace is the loopback interface.
const LOOPBACK: u32 = 1;

/// Switches it on.
pub(super) fn start_loopback() -> io::Result<()> {
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // Routes, addresses and interfaces are protocol 0.
        None,
    )?;
    let mut message = Vec::new();
    message.extend(LENGTH.to_ne_bytes());
    message.extend(libc::RTM_NEWLINK.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    // Family, padding and kind are not asked for.
    message.extend([0; 4]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    let all = SocketAddrNetlink::new(0, 0);
    sendto(&kernel, &message, SendFlags::empty(), &all)?;
    let mut answer = [0u8; 4096];
    let (_, length) = recv(&kernel, &mut answer[..], RecvFlags::empty())?;
    // An answer is a header and the negative error number, 0 for done.
    let error = answer[..length].get(HEADER..HEADER + 4);
    let error = error.and_then(|it| <[u8; 4]>::try_from(it).ok());
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::Error::other("the kernel's answer is too short")),
    }
}
