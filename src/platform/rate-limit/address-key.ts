import ipaddr from 'ipaddr.js';

/**
 * What an address is counted as: an IPv4 address, also where it comes mapped into IPv6, or the /64 of an IPv6 address,
 * which is what one subscriber has.
 */
export function addressKey(ip: string | null | undefined): string {
  if (!ip || !ipaddr.isValid(ip)) return 'unknown';
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return address.toString();
  return `${ipaddr.fromByteArray([...address.toByteArray().slice(0, 8), 0, 0, 0, 0, 0, 0, 0, 0]).toString()}/64`;
}
