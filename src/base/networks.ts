/** A set of networks (`address/bits`, both families), asked by address. Node's BlockList behind one question. */
import { BlockList, isIPv6 } from 'node:net';

export type NetworkSet = (address: string) => boolean;

const family = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

export function networkSet(networks: readonly string[]): NetworkSet {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), family(address));
  }
  return (address) => list.check(address, family(address));
}
