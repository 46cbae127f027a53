import { TLSSocket } from 'node:tls'

/** The serial numbers of the certificates of both ends of a connection. */
export interface SerialNumbers {
  readonly own: string
  readonly peer: string
}

/** Reads them from the open connection, so they are the ones that were presented. */
export function serialNumbersOf(socket: TLSSocket): SerialNumbers {
  return {
    own: socket.getX509Certificate()?.serialNumber ?? '',
    peer: socket.getPeerX509Certificate()?.serialNumber ?? '',
  }
}

/** Prints what one end of a connection has verified about the other. */
export function print(name: string, what: string, ends: TLSSocket | SerialNumbers, further = ''): void {
  const { own, peer } = ends instanceof TLSSocket ? serialNumbersOf(ends) : ends
  const line = `${name}  ${what}  serial ${shorten(peer)}, own serial ${shorten(own)}`
  console.log(further === '' ? line : `${line}  ${further}`)
}

/** The last digits of a serial number, enough to distinguish two. */
export function shorten(serialNumber: string): string {
  return `…${serialNumber.slice(-6).toLowerCase()}`
}
