import { isCallable, parseOptions, refuseValue } from '@countersign/spiffe/options'
import type { ReadRouting } from './listener-routing.ts'

/** What an adapter specifies about the server it attaches. */
export interface AttachOptions {
  /**
   * Returns whether the framework's own router will see an upgrade and decide its route. Called for each upgrade.
   * Default: false, so the rules alone decide.
   */
  readonly routesUpgrade?: () => boolean
  /**
   * Returns whether a hook of the framework calls `admit` or `readmit` for every request, with the route known. Called
   * for each request. Only then may a rule leave a request to its route. Default: false.
   */
  readonly routesRequest?: () => boolean
  /**
   * Returns how the framework's router reads the path of a request. Default: what an adapter that recognizes the
   * server's listener reports, otherwise exact matching.
   */
  readonly routing?: ReadRouting
}

/** Validated options. */
export type ParsedAttachOptions = Required<Omit<AttachOptions, 'routing'>> & {
  readonly routing: ReadRouting | undefined
}

/**
 * Validates every option and applies the defaults.
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
