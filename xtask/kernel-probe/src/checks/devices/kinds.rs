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

/// A device with two tags; the outer one's is `outer`.
const QINQ_CLIENT: &str = "link add link under name outer type vlan proto 802.1ad id 7\n\
                           link set outer up\nlink add link outer name tagged type vlan id 5\n\
                           address add 10.66.0.1/24 dev tagged\nlink set tagged up";
const QINQ_POD: &str = "link add link under name outer type vlan proto 802.1ad id 7\n\
                        link set outer up\nlink add link outer name tagged type vlan id 5\n\
                        address add 10.66.0.2/24 dev tagged\nlink set tagged up";

pub(super) const DEVICES: &[Device] = &[
    Device {
        name: "veth",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "",
        pod: "address add 10.66.0.2/24 dev under",
        interface: "under",
        sees: Sees::All,
    },
    Device {
        name: "VLAN",
        since: (0, 0),
        client: "link add link under name tagged type vlan id 5\n\
                 address add 10.66.0.1/24 dev tagged\nlink set tagged up",
        node: "",
        pod: "link add link under name tagged type vlan id 5\n\
              address add 10.66.0.2/24 dev tagged\nlink set tagged up",
        interface: "tagged",
        sees: Sees::All,
    },
    Device {
        name: "below a VLAN",
        since: (0, 0),
        client: "link add link under name tagged type vlan id 5\n\
                 address add 10.66.0.1/24 dev tagged\nlink set tagged up",
        node: "",
        pod: "link add link under name tagged type vlan id 5\n\
              address add 10.66.0.2/24 dev tagged\nlink set tagged up",
        interface: "under",
        sees: Sees::All,
    },
    Device {
        name: "QinQ",
        since: (0, 0),
        client: QINQ_CLIENT,
        node: "",
        pod: QINQ_POD,
        interface: "tagged",
        sees: Sees::All,
    },
    Device {
        name: "within QinQ",
        since: (0, 0),
        client: QINQ_CLIENT,
        node: "",
        pod: QINQ_POD,
        interface: "outer",
        sees: Sees::All,
    },
    Device {
        name: "below QinQ",
        since: (0, 0),
        client: QINQ_CLIENT,
        node: "",
        pod: QINQ_POD,
        interface: "under",
        sees: Sees::All,
    },
    Device {
        name: "bond",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "",
        pod: "link add bond0 type bond mode active-backup\nlink set under down\n\
              link set under master bond0\nlink set under up\n\
              address add 10.66.0.2/24 dev bond0\nlink set bond0 up",
        interface: "bond0",
        sees: Sees::All,
    },
    Device {
        name: "bridge",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "",
        pod: "link add br0 type bridge forward_delay 0\nlink set under master br0\n\
              address add 10.66.0.2/24 dev br0\nlink set br0 up",
        interface: "br0",
        sees: Sees::All,
    },
    Device {
        name: "macvlan",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "link add link port name mv0 netns POD type macvlan mode bridge",
        pod: "address add 10.66.0.2/24 dev mv0\nlink set mv0 up",
        interface: "mv0",
        sees: Sees::All,
    },
    Device {
        name: "ipvlan l2",
        since: (0, 0),
        client: "address add 10.66.0.1/24 dev under",
        node: "link add link port name iv0 netns POD type ipvlan mode l2",
        pod: "address add 10.66.0.2/24 dev iv0\nlink set iv0 up",
        interface: "iv0",
        sees: Sees::All,
    },
    Device {
        name: "ipvlan l3",
        since: (0, 0),
        client: "address add 10.65.0.1/24 dev under\n\
                 address add 10.66.0.1/32 dev under\nroute add 10.66.0.2/32 via 10.65.0.2",
        node: "address add 10.65.0.2/24 dev port\n\
               link add link port name iv0 netns POD type ipvlan mode l3",
        pod: "address add 10.66.0.2/32 dev iv0\nlink set iv0 up\nroute add default dev iv0",
        interface: "iv0",
        sees: Sees::All,
    },
    Device {
        name: "netkit l2",
        since: (6, 7),
        client: "link add nk0 type netkit mode l2 peer name nk1 netns POD\n\
                 address add 10.66.0.1/24 dev nk0\nlink set nk0 up",
        node: "",
        pod: "address add 10.66.0.2/24 dev nk1\nlink set nk1 up",
        interface: "nk1",
        sees: Sees::All,
    },
    Device {
        name: "netkit l3",
        since: (6, 7),
        client: "link add nk0 type netkit mode l3 peer name nk1 netns POD\n\
                 address add 10.66.0.1/24 dev nk0\nlink set nk0 up",
        node: "",
        pod: "address add 10.66.0.2/24 dev nk1\nlink set nk1 up",
        interface: "nk1",
        sees: Sees::All,
    },
    Device {
        name: "IP in IP",
        // Before, a program is shown the outer header, behind which nothing is looked for.
        since: (5, 14),
        client: "address add 10.65.0.1/24 dev under\n\
                 link add tun0 type ipip local 10.65.0.1 remote 10.65.0.2\n\
                 address add 10.66.0.1/24 dev tun0\nlink set tun0 up",
        node: "",
        pod: "address add 10.65.0.2/24 dev under\n\
              link add tun0 type ipip local 10.65.0.2 remote 10.65.0.1\n\
              address add 10.66.0.2/24 dev tun0\nlink set tun0 up",
        interface: "tun0",
        sees: Sees::All,
    },
    Device {
        name: "wireguard",
        since: (5, 6),
        client: "address add 10.65.0.1/24 dev under\nlink add wg0 type wireguard\n\
                 address add 10.66.0.1/24 dev wg0\nlink set wg0 up",
        node: "",
        pod: "address add 10.65.0.2/24 dev under\nlink add wg0 type wireguard\n\
              address add 10.66.0.2/24 dev wg0\nlink set wg0 up",
        interface: "wg0",
        sees: Sees::All,
    },
    Device {
        name: "tun",
        since: (0, 0),
        client: "address add 10.65.0.1/24 dev under\ntuntap add dev tun0 mode tun\n\
                 link set tun0 mtu 1400 up\naddress add 10.66.0.1/24 dev tun0",
        node: "",
        pod: "address add 10.65.0.2/24 dev under\ntuntap add dev tun0 mode tun\n\
              link set tun0 mtu 1400 up\naddress add 10.66.0.2/24 dev tun0",
        interface: "tun0",
        sees: Sees::All,
    },
    Device {
        name: "lo",
        since: (0, 0),
        client: "",
        node: "",
        pod: "address add 10.66.0.2/32 dev lo",
        interface: "lo",
        sees: Sees::All,
    },
    Device {
        name: "dummy",
        since: (0, 0),
        client: "address add 10.65.0.1/24 dev under\nroute add 10.66.0.2/32 via 10.65.0.2",
        node: "",
        pod: "address add 10.65.0.2/24 dev under\nlink add dm0 type dummy\n\
              address add 10.66.0.2/32 dev dm0\nlink set dm0 up",
        interface: "dm0",
        sees: Sees::Nothing,
    },
];
