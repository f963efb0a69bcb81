//! Unary calls as a common client of gRPC puts them on the wire (RFC 9113, RFC 7541).

/// Bytes of a message, without its prefix.
pub const MESSAGE: usize = 100;

/// What a connection begins with: the preface, settings, and a larger window.
pub(crate) fn opening() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // No push; a window of 4 MiB for each stream.
    let settings = [0, 2, 0, 0, 0, 0, 0, 4, 0, 0x40, 0, 0];
    frame(4, 0, 0, &settings, &mut bytes);
    frame(8, 0, 0, &(4_u32 << 20).to_be_bytes(), &mut bytes);
    bytes
}

/// The call with this number, from 0 on: the first one fills the client's dynamic table, those behind refer to it.
pub(crate) fn call(number: u64) -> Vec<u8> {
    // POST, http (section 6.1, static table).
    let mut block = vec![0x83, 0x86];
    if number == 0 {
        literal(0x44, None, "/shop.cart.v1.CartService/AddItem", &mut block);
        literal(0x41, None, "cart.shop.svc.cluster.local:50051", &mut block);
        literal(0x40, Some("te"), "trailers", &mut block);
        literal(0x5f, None, "application/grpc", &mut block);
        literal(0x7a, None, "grpc-go/1.75.0", &mut block);
        literal(
            0x40,
            Some("grpc-accept-encoding"),
            "identity,deflate,gzip",
            &mut block,
        );
        literal(0x40, Some("grpc-timeout"), "999985u", &mut block);
    } else {
        // All but the last insertion, the oldest first.
        block.extend((63..=68).rev().map(|index| 0x80 | index));
        // The name of the last one, with a value of its own that is not inserted.
        block.extend([0x0f, 62 - 15]);
        string(&format!("{}u", 999_900 + number % 100), &mut block);
    }
    let stream = u32::try_from(2 * number + 1).unwrap_or(1);
    let mut bytes = Vec::new();
    frame(1, 4, stream, &block, &mut bytes);
    let len = u32::try_from(MESSAGE).unwrap_or_default().to_be_bytes();
    let message = [&[0], &len[..], &[b'x'; MESSAGE]].concat();
    frame(0, 1, stream, &message, &mut bytes);
    bytes
}

/// What v1 opens with.
pub(crate) fn greeting() -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(4, 0, 0, &[0, 5, 0, 0, 0x40, 0], &mut bytes);
    frame(4, 1, 0, &[], &mut bytes);
    bytes
}

/// v1's reply to the call with this number, with a message as long as the call's.
pub(crate) fn reply(number: u64) -> Vec<u8> {
    let (mut head, mut trailers) = (vec![0x88], Vec::new());
    if number == 0 {
        literal(0x5f, None, "application/grpc", &mut head);
        literal(0x40, Some("grpc-accept-encoding"), "gzip", &mut head);
        literal(0x40, Some("grpc-status"), "0", &mut trailers);
        literal(0x40, Some("grpc-message"), "", &mut trailers);
    } else {
        head.extend([0xc1, 0xc0]);
        trailers.extend([0xbf, 0xbe]);
    }
    let stream = u32::try_from(2 * number + 1).unwrap_or(1);
    let mut bytes = Vec::new();
    frame(1, 4, stream, &head, &mut bytes);
    let len = u32::try_from(MESSAGE).unwrap_or_default().to_be_bytes();
    let message = [&[0], &len[..], &[b'x'; MESSAGE]].concat();
    frame(0, 0, stream, &message, &mut bytes);
    frame(1, 5, stream, &trailers, &mut bytes);
    bytes
}

/// A literal that is inserted (section 6.2.1), whose first byte holds the index of its name, if it has one.
fn literal(first: u8, name: Option<&str>, value: &str, out: &mut Vec<u8>) {
    out.push(first);
    if let Some(name) = name {
        string(name, out);
    }
    string(value, out);
}

/// A string shorter than 127 bytes (section 5.2).
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(u8::try_from(text.len()).unwrap_or_default());
    out.extend(text.bytes());
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    let [_, len @ ..] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_be_bytes();
    out.extend(len);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}
