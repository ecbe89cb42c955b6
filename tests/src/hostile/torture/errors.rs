//! The errors of each system call, as its man page (section 2) documents them, and tcp(7) and
//! unix(7) for sockets.
//!
//! Calls that the loader, the allocator or the standard library's runtime makes before `main` are
//! not here, but for those of which a program that serves makes more: without them, no program in
//! Rust starts. futex(2) and what only reads the clock are not here either.

/// Calls of a server that serves, and their errors.
pub(super) const SERVING: &[(&str, &str)] = &[
    (
        "accept4",
        "EAGAIN EBADF ECONNABORTED EFAULT EHOSTDOWN EHOSTUNREACH EINTR EINVAL EMFILE ENETDOWN \
         ENETUNREACH ENFILE ENOBUFS ENOMEM ENONET ENOPROTOOPT ENOTSOCK EOPNOTSUPP EPERM EPROTO \
         ETIMEDOUT",
    ),
    (
        "recvfrom",
        "EAGAIN EBADF ECONNREFUSED ECONNRESET EFAULT EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK \
         ETIMEDOUT",
    ),
    (
        "sendto",
        "EACCES EAGAIN EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINTR EINVAL EISCONN EMSGSIZE \
         ENOBUFS ENOMEM ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE ETIMEDOUT",
    ),
    ("epoll_wait", "EBADF EFAULT EINTR EINVAL"),
    (
        "epoll_ctl",
        "EBADF EEXIST EINVAL ENOENT ENOMEM ENOSPC EPERM",
    ),
    ("shutdown", "EBADF EINVAL ENOTCONN ENOTSOCK"),
    ("getsockopt", "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK"),
    ("getsockname", "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK"),
    ("close", "EBADF EDQUOT EINTR EIO ENOSPC"),
    ("ppoll", "EFAULT EINTR EINVAL ENOMEM"),
    ("read", "EAGAIN EBADF EFAULT EINTR EINVAL EIO EISDIR"),
    (
        "write",
        "EAGAIN EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
    ),
    ("madvise", "EACCES EAGAIN EBADF EINVAL EIO ENOMEM EPERM"),
    ("munmap", "EINVAL"),
    ("mmap", "EACCES EAGAIN EINVAL ENFILE ENOMEM EPERM"),
];

/// Calls of a server that starts, and their errors.
pub(super) const STARTING: &[(&str, &str)] = &[
    (
        "socket",
        "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT",
    ),
    (
        "bind",
        "EACCES EADDRINUSE EADDRNOTAVAIL EBADF EFAULT EINVAL ENOTSOCK",
    ),
    ("listen", "EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP"),
    ("setsockopt", "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK"),
    ("getsockopt", "EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK"),
    ("getsockname", "EBADF EFAULT EINVAL ENOBUFS ENOTSOCK"),
    ("epoll_create1", "EINVAL EMFILE ENFILE ENOMEM"),
    (
        "epoll_ctl",
        "EBADF EEXIST EINVAL ENOENT ENOMEM ENOSPC EPERM",
    ),
    ("eventfd2", "EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    (
        "socketpair",
        "EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT",
    ),
    ("pipe2", "EFAULT EINVAL EMFILE ENFILE"),
    ("fcntl", "EACCES EAGAIN EBADF EINTR EINVAL EMFILE EPERM"),
    ("ioctl", "EBADF EFAULT EINVAL ENOTTY"),
    ("clone3", "EAGAIN EINVAL ENOMEM ENOSPC EPERM EUSERS"),
    ("prlimit64", "EFAULT EINVAL EPERM ESRCH"),
    ("sched_getaffinity", "EFAULT EINVAL EPERM ESRCH"),
];
