import { ConfigurationError } from './errors.ts'
import type { RequestWay } from './guarded-request.ts'
import { describeValue, isCallable, parseOptions } from './options.ts'

/** What an adapter tells about the server that it attaches. */
export interface AttachOptions {
  /** Whether the framework's own router will see an upgrade and decide about it; asked for each one. Default: no, the rules decide. */
  readonly routesUpgrade?: () => boolean
  /** How the framework's router reads paths. Default: by the letter. */
  readonly way?: () => RequestWay
}

/**
 * Checks every option and fills in the defaults.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function parseAttachOptions(input: AttachOptions): Required<AttachOptions> {
  const options = parseOptions(input, ['routesUpgrade', 'way'], 'guard.attach')
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || isCallable(value)) continue
    const message = `guard.attach: ${name}: found ${describeValue(value)}, expected a function`
    throw new ConfigurationError('option_invalid', message, { value })
  }
  const { routesUpgrade = () => false, way = () => ({}) } = input
  return { routesUpgrade, way }
}
