import ipaddr from 'ipaddr.js';

const WITH_PORT = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/;

/** An IP address without the port that some proxies add; null for what is none. */
export function ipAddressOf(text: string | null | undefined): string | null {
  if (!text) return null;
  const [, bracketed, plain] = WITH_PORT.exec(text) ?? [];
  const address = bracketed ?? plain ?? text;
  return ipaddr.isValid(address) ? address : null;
}

/**
 * What an address is counted as: an IPv4 address, also where it comes mapped into IPv6, or the /64 of an IPv6 address,
 * which is what one subscriber has.
 */
export function addressKey(ip: string | null): string {
  if (ip === null) return 'unknown';
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return address.toString();
  return `${ipaddr.fromByteArray([...address.toByteArray().slice(0, 8), 0, 0, 0, 0, 0, 0, 0, 0]).toString()}/64`;
}
