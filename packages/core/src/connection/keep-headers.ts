import { ConfigurationError } from '@countersign/spiffe'

/**
 * Makes Node.js keep every header line of a request. By default it silently drops those after the first thousand or so.
 * A proxy may append its headers to those of the caller, so a caller that sends enough lines could remove the
 * identity that the proxy forwards, or hide that one is repeated. `maxHeaderSize` still limits them.
 *
 * @see https://nodejs.org/api/http.html#servermaxheaderscount
 */
export function keepHeaders(server: object): void {
  Reflect.defineProperty(server, 'maxHeadersCount', {
    get: () => 0,
    set: (count: unknown) => {
      if (count === 0) return
      throw new ConfigurationError(
        'server_unsuitable',
        `an attached server: maxHeadersCount ${String(count)} would drop headers that may hold a credential; set maxHeaderSize instead`,
      )
    },
    enumerable: true,
    configurable: true,
  })
}
