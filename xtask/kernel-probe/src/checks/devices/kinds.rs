//! The kinds, and how each is made.

/// A kind of interface.
pub(super) struct Device {
    pub(super) name: &'static str,
    /// Since which Linux.
    pub(super) since: (u32, u32),
    /// `ip` commands in the client, the node and the pod. `NODE` and `POD` stand for the names of
    /// the namespaces.
    pub(super) client: &'static str,
    pub(super) node: &'static str,
    pub(super) pod: &'static str,
    /// Where podmirror looks, in the pod.
    pub(super) interface: &'static str,
    /// Whether requests come by it.
    pub(super) sees: Sees,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sees {
    /// Every request.
    All,
    /// None: its address is reached by way of another interface.
    Nothing,
}

/// What most have in common: the client and the pod are joined by the veth pair `under`, with an address
/// at the client's end, and all is seen.
const JOINED: Device = Device {
    name: "",
    since: (0, 0),
    client: "address add 10.66.0.1/24 dev under",
    node: "",
    pod: "",
    interface: "under",
    sees: Sees::All,
};

/// With one tag on what goes over the pair; the interfaces with it are `tagged`.
const VLAN: Device = Device {
    client: "link add link under name tagged type vlan id 5\n\
             address add 10.66.0.1/24 dev tagged\nlink set tagged up",
    pod: "link add link under name tagged type vlan id 5\n\
          address add 10.66.0.2/24 dev tagged\nlink set tagged up",
    ..JOINED
};

/// With two tags; the interfaces with the outer one are `outer`.
const QINQ: Device = Device {
    client: "link add link under name outer type vlan proto 802.1ad id 7\nlink set outer up\n\
             link add link outer name tagged type vlan id 5\n\
             address add 10.66.0.1/24 dev tagged\nlink set tagged up",
    pod: "link add link under name outer type vlan proto 802.1ad id 7\nlink set outer up\n\
          link add link outer name tagged type vlan id 5\n\
          address add 10.66.0.2/24 dev tagged\nlink set tagged up",
    ..JOINED
};

pub(super) const DEVICES: &[Device] = &[
    Device {
        name: "veth",
        pod: "address add 10.66.0.2/24 dev under",
        ..JOINED
    },
    Device {
        name: "VLAN",
        interface: "tagged",
        ..VLAN
    },
    Device {
        name: "below a VLAN",
        ..VLAN
    },
    Device {
        name: "QinQ",
        interface: "tagged",
        ..QINQ
    },
    Device {
        name: "within QinQ",
        interface: "outer",
        ..QINQ
    },
    Device {
        name: "below QinQ",
        ..QINQ
    },
    Device {
        name: "bond",
        pod: "link add bond0 type bond mode active-backup\nlink set under down\n\
              link set under master bond0\nlink set under up\n\
              address add 10.66.0.2/24 dev bond0\nlink set bond0 up",
        interface: "bond0",
        ..JOINED
    },
    Device {
        name: "bridge",
        pod: "link add br0 type bridge forward_delay 0\nlink set under master br0\n\
              address add 10.66.0.2/24 dev br0\nlink set br0 up",
        interface: "br0",
        ..JOINED
    },
    Device {
        name: "macvlan",
        node: "link add link port name mv0 netns POD type macvlan mode bridge",
        pod: "address add 10.66.0.2/24 dev mv0\nlink set mv0 up",
        interface: "mv0",
        ..JOINED
    },
    Device {
        name: "ipvlan l2",
        node: "link add link port name iv0 netns POD type ipvlan mode l2",
        pod: "address add 10.66.0.2/24 dev iv0\nlink set iv0 up",
        interface: "iv0",
        ..JOINED
    },
    Device {
        name: "ipvlan l3",
        client: "address add 10.65.0.1/24 dev under\n\
                 address add 10.66.0.1/32 dev under\nroute add 10.66.0.2/32 via 10.65.0.2",
        node: "address add 10.65.0.2/24 dev port\n\
               link add link port name iv0 netns POD type ipvlan mode l3",
        pod: "address add 10.66.0.2/32 dev iv0\nlink set iv0 up\nroute add default dev iv0",
        interface: "iv0",
        ..JOINED
    },
    Device {
        name: "netkit l2",
        since: (6, 7),
        client: "link add nk0 type netkit mode l2 peer name nk1 netns POD\n\
                 address add 10.66.0.1/24 dev nk0\nlink set nk0 up",
        pod: "address add 10.66.0.2/24 dev nk1\nlink set nk1 up",
        interface: "nk1",
        ..JOINED
    },
    Device {
        name: "netkit l3",
        since: (6, 7),
        client: "link add nk0 type netkit mode l3 peer name nk1 netns POD\n\
                 address add 10.66.0.1/24 dev nk0\nlink set nk0 up",
        pod: "address add 10.66.0.2/24 dev nk1\nlink set nk1 up",
        interface: "nk1",
        ..JOINED
    },
    Device {
        name: "IP in IP",
        // Before, a program is shown the outer header, behind which nothing is looked for.
        since: (5, 14),
        client: "address add 10.65.0.1/24 dev under\n\
                 link add tun0 type ipip local 10.65.0.1 remote 10.65.0.2\n\
                 address add 10.66.0.1/24 dev tun0\nlink set tun0 up",
        pod: "address add 10.65.0.2/24 dev under\n\
              link add tun0 type ipip local 10.65.0.2 remote 10.65.0.1\n\
              address add 10.66.0.2/24 dev tun0\nlink set tun0 up",
        interface: "tun0",
        ..JOINED
    },
    Device {
        name: "wireguard",
        since: (5, 6),
        client: "address add 10.65.0.1/24 dev under\nlink add wg0 type wireguard\n\
                 address add 10.66.0.1/24 dev wg0\nlink set wg0 up",
        pod: "address add 10.65.0.2/24 dev under\nlink add wg0 type wireguard\n\
              address add 10.66.0.2/24 dev wg0\nlink set wg0 up",
        interface: "wg0",
        ..JOINED
    },
    Device {
        name: "tun",
        client: "address add 10.65.0.1/24 dev under\ntuntap add dev tun0 mode tun\n\
                 link set tun0 mtu 1400 up\naddress add 10.66.0.1/24 dev tun0",
        pod: "address add 10.65.0.2/24 dev under\ntuntap add dev tun0 mode tun\n\
              link set tun0 mtu 1400 up\naddress add 10.66.0.2/24 dev tun0",
        interface: "tun0",
        ..JOINED
    },
    Device {
        name: "lo",
        client: "",
        pod: "address add 10.66.0.2/32 dev lo",
        interface: "lo",
        ..JOINED
    },
    Device {
        name: "dummy",
        client: "address add 10.65.0.1/24 dev under\nroute add 10.66.0.2/32 via 10.65.0.2",
        pod: "address add 10.65.0.2/24 dev under\nlink add dm0 type dummy\n\
              address add 10.66.0.2/32 dev dm0\nlink set dm0 up",
        interface: "dm0",
        sees: Sees::Nothing,
        ..JOINED
    },
];
