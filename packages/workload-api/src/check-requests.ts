import { isCallable, parseOptions, parseStringList } from '@countersign/spiffe/options'
import { refuseOption } from './check-options.ts'

/**
 * Checks a request for a JWT-SVID.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function checkJwtRequest(request: unknown): void {
  const where = 'fetchJwtSvid'
  const { audience, spiffeId } = parseOptions(request, ['audience', 'spiffeId'], where)
  parseStringList(audience, `${where}: audience`)
  if (spiffeId !== undefined && typeof spiffeId !== 'string') refuseOption(where, 'spiffeId', spiffeId, 'text')
}

/**
 * Checks a request to validate a token. The agent would reject an empty audience with the same status as an invalid
 * token.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function checkValidationRequest(request: unknown): void {
  const where = 'validateJwtSvid'
  const { audience, token } = parseOptions(request, ['audience', 'token'], where)
  if (typeof audience !== 'string' || audience === '') {
    refuseOption(where, 'audience', audience, 'the audience that the token must be for')
  }
  // The value passed instead may also be a secret, so it is not shown.
  if (typeof token !== 'string') refuseOption(where, 'token', undefined, 'the text of a token')
}

/**
 * Checks the options of a single fetch.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function checkFetchOptions(options: unknown, where: string): void {
  const { onError } = parseOptions(options, ['onError'], where)
  if (onError !== undefined && !isCallable(onError)) refuseOption(where, 'onError', onError, 'a function')
}

/**
 * Checks a watcher.
 *
 * @throws {ConfigurationError} `option_invalid` or `option_unknown`
 */
export function checkWatcher(watcher: unknown): void {
  const { onUpdate, onError } = parseOptions(watcher, ['onUpdate', 'onError'], 'watch')
  if (!isCallable(onUpdate)) refuseOption('watch', 'onUpdate', onUpdate, 'a function')
  if (onError !== undefined && !isCallable(onError)) refuseOption('watch', 'onError', onError, 'a function')
}
