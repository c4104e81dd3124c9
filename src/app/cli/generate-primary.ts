/** `restante generate primary`: files for a site's primary. It reads the configuration, may ask the DNS, and needs no server. */
import { SystemClock } from '../../base/clock.ts';
import type { Config } from '../../config/config.ts';
import { canonicalIp } from '../../config/values.ts';
import { createResolver, systemServers } from '../../dns/resolver.ts';
import { generatePrimary, type Origin, type PrimaryWishes } from '../../operate/generate/primary.ts';
import type { Context } from './context.ts';
import { type Placed, place, siteOf } from './generate.ts';
import { type Exit, Stop } from './terminal.ts';

interface PrimaryOptions extends Placed, PrimaryWishes {
  readonly from?: readonly string[];
}

export async function generatePrimaryTrust(
  context: Context,
  options: PrimaryOptions,
  name: string,
): Promise<Exit> {
  const { config, site } = siteOf(context, options, name);
  const { seal } = config.authentication;
  const origin = options.from === undefined ? await lookUp(config) : said(options.from);
  const made = generatePrimary(
    {
      site,
      hostname: config.hostname,
      origin,
      helo: config.conduct.helo,
      ...(seal && { seal: seal.domain }),
    },
    options,
  );
  return place(context, options, made);
}

function said(words: readonly string[]): Origin {
  const addresses = words.map((word) => {
    const address = canonicalIp(word);
    if (address === null) throw new Stop(2, `--from ${word}: an IP address is expected`);
    return address;
  });
  return { by: 'said', addresses };
}

/** An exchanger leaves by the addresses of its name, unless somebody says that it does not. */
async function lookUp({ hostname, resolver }: Config): Promise<Origin> {
  const servers = resolver.length > 0 ? resolver : systemServers();
  const answer = await createResolver({ servers, clock: new SystemClock() }).addresses(hostname);
  if (answer.kind === 'found') return { by: 'dns', addresses: answer.records };
  const why = answer.kind === 'failed' ? `cannot be looked up (${answer.why})` : 'has no address in the DNS';
  throw new Stop(1, `${hostname} ${why}: say by --from ADDRESS where handovers come from`);
}
