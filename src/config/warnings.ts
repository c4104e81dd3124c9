/**
 * What is allowed, and is most likely not meant: told by `restante check`, and stops nobody.
 */
import type { Config } from './config.ts';
import type { Finding } from './load.ts';

export function warningsOf(config: Config): Finding[] {
  return [...recipientWarnings(config), ...networkWarnings(config)];
}

function recipientWarnings({ sites }: Config): Finding[] {
  return sites.flatMap(({ name, recipients, collect }) =>
    recipients.kind === 'any' && collect.kind !== 'push'
      ? [
          {
            path: ['sites', name, 'recipients'],
            text:
              `any recipient is taken: by "collect: ${collect.kind}" nobody can be asked for them; ` +
              'give it a list, by recipients: { file: PATH } or { http: URL }',
          },
        ]
      : [],
  );
}

/** Bits: what is wider belongs to no single operator. */
const WIDEST = { ipv4: 8, ipv6: 16 };

function networkWarnings({ peers, proxies, auth, sites }: Config): Finding[] {
  const trusted: readonly (readonly [path: Finding['path'], networks: readonly string[], what: string])[] = [
    [['peers'], peers, 'all of them are taken for relays of ours, and are not checked'],
    [['listen', 'proxy'], proxies, 'all of them may say that they are somebody else'],
    [['auth', 'cleartext'], auth.cleartext, 'passwords cross the net in the clear'],
    ...sites.map(
      ({ name, send }) =>
        [
          ['sites', name, 'send', 'from'],
          send?.networks ?? [],
          'all of them may send as this site: close to an open relay',
        ] as const,
    ),
  ];
  return trusted.flatMap(([path, networks, what]) =>
    networks
      .filter(isWide)
      .map((network) => ({ path, text: `${network} is a large part of the Internet: ${what}` })),
  );
}

function isWide(network: string): boolean {
  const [address = '', bits] = network.split('/');
  return bits !== undefined && Number(bits) < (address.includes(':') ? WIDEST.ipv6 : WIDEST.ipv4);
}
