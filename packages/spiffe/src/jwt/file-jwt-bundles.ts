import { ConfigurationError } from '../errors.ts'
import { describeValue, isOptions, parseOptions } from '../options.ts'
import { checkTrustDomain, parsePath, parsePollMs, type PlannedFile } from '../source/files/file-plan.ts'
import type { FileSet } from '../source/files/read-files.ts'
import { toError } from '../trust/bundle-fault.ts'
import { JwtBundleLoader } from './jwt-bundle-loader.ts'
import type { JwtBundles } from './jwt-bundle-source.ts'
import { ReloadedJwtBundles } from './reloaded-jwt-bundles.ts'
import type { NoticingJwtBundleSource } from './replaceable-jwt-bundles.ts'

/** Options of `fileJwtBundles` besides the files. */
export interface FileJwtBundlesOptions {
  /**
   * The interval in milliseconds after which the files are read again even if the operating system reports no change.
   * At least 1000. Default 30,000, because network file systems do not report changes.
   */
  readonly pollMs?: number | undefined
}

/**
 * Creates a source of JWT bundles from files, one SPIFFE bundle document for each trust domain. It reloads them when
 * they change, as `fileSource` does. If a file is half-written, broken or missing, `onNotice` reports the reason, and
 * the last good bundle of its trust domain stays in use. Other trust domains are not affected. The source does not keep
 * the process alive.
 *
 * @param files the path of the bundle document by trust domain
 * @example
 * const bundles = await fileJwtBundles({ 'saas.example': '/run/spire/bundle.json' })
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`, saying what to write
 * @throws {SourceError} {CertificateError} if none of the files has a usable bundle, for the first of them
 */
export async function fileJwtBundles(
  files: Readonly<Record<string, string>>,
  options: FileJwtBundlesOptions = {},
): Promise<NoticingJwtBundleSource> {
  const { pollMs: interval } = parseOptions(options, ['pollMs'], where)
  const pollMs = parsePollMs(interval)
  const set: FileSet = { trust: { kind: 'bundles', files: parseFiles(files) } }
  const loader = new JwtBundleLoader(set)
  const { bundles } = await loader.load(Date.now())
  refuseUseless(bundles)
  const source = new ReloadedJwtBundles({ set, pollMs, loader, bundles })
  await source.start()
  return source
}

const where = 'fileJwtBundles'

function parseFiles(input: unknown): ReadonlyMap<string, PlannedFile> {
  if (!isOptions(input) || Object.keys(input).length === 0) {
    const found = isOptions(input) ? 'an empty object' : describeValue(input)
    throw new ConfigurationError('option_invalid', `${where}: found ${found}, expected { '<trust domain>': path }`)
  }
  const files = Object.entries(input).map(([name, path]) => {
    checkTrustDomain(name)
    const option = `bundles[${name}]`
    return [name, { option, path: parsePath(option, path, 'staticJwtBundles()') }] as const
  })
  return new Map(files)
}

// At startup, a service without any bundle is a mistake. A single unreadable one affects only its own trust domain.
function refuseUseless(bundles: JwtBundles): void {
  const faulty = [...bundles.values()].filter(({ keyIds, faults }) => keyIds.length === 0 && faults.length > 0)
  const [first] = faulty
  const [fault] = first?.faults ?? []
  if (faulty.length === bundles.size && first !== undefined && fault !== undefined)
    throw toError(first.trustDomain, fault)
}
