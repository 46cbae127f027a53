import { isCallable, parseOptions, refuseValue } from '@countersign/spiffe/options'
import type { ReadRouting } from './listener-routing.ts'

/** What an adapter tells about the server that it attaches. */
export interface AttachOptions {
  /** Whether the framework's own router will see an upgrade and decide about its route; asked for each one. Default: no, the rules alone decide. */
  readonly routesUpgrade?: () => boolean
  /** Whether a hook of the framework calls `admit` or `readmit` for every request, with its route known; asked for each one. Only then a rule may leave a request to its route. Default: no. */
  readonly routesRequest?: () => boolean
  /** How the framework's router reads the path of a request. Default: as an adapter says that recognizes the server's listener, else by the letter. */
  readonly routing?: ReadRouting
}

/** Options that cannot be wrong any more. */
export type ParsedAttachOptions = Required<Omit<AttachOptions, 'routing'>> & {
  readonly routing: ReadRouting | undefined
}

/**
 * Checks every option and fills in the defaults.
 *
 * @throws {ConfigurationError} `option_unknown` or `option_invalid`
 */
export function parseAttachOptions(input: AttachOptions): ParsedAttachOptions {
  const options = parseOptions(input, ['routesUpgrade', 'routesRequest', 'routing'], 'guard.attach')
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !isCallable(value)) refuseValue(`guard.attach: ${name}`, value, 'a function')
  }
  const { routesUpgrade = () => false, routesRequest = () => false, routing } = input
  return { routesUpgrade, routesRequest, routing }
}
