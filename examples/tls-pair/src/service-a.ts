import { text } from 'node:stream/consumers'
import { connectTls } from '@countersign/client'
import type { X509Source } from '@countersign/core'
import { print, serialNumbersOf } from './print.ts'
import { neighbourOf, type WorkloadName } from './workloads.ts'

/** One connection, from the side of service-a. */
export interface Conversation {
  readonly peer: string | undefined
  readonly answer: string
  /** The serial number of the certificate that service-a presented on this connection. */
  readonly ownSerialNumber: string
  readonly peerSerialNumber: string
}

/** Connects to service-b and reads its greeting; rejects with a `CallError` if another server answers. */
export async function askServiceB(
  source: X509Source,
  port: number,
  name: WorkloadName = 'service-a',
): Promise<Conversation> {
  const servers = [neighbourOf(source, 'service-b')]
  const socket = await connectTls(source, { servers, host: '127.0.0.1', port })
  const { own, peer } = serialNumbersOf(socket)
  const answer = (await text(socket)).trimEnd()
  if (answer !== '') print(name, `peer ${socket.principal?.name}`, { own, peer }, `it sends "${answer}"`)
  return { peer: socket.principal?.name, answer, ownSerialNumber: own, peerSerialNumber: peer }
}

/** Waits for the next SVID, at most until this one has expired. Resolves to whether it arrived. */
export function waitForRotation(source: X509Source): Promise<boolean> {
  const { serialNumber, expiresAt } = source.current.svid
  return new Promise((resolve) => {
    const end = (isRotated: boolean): void => {
      clearTimeout(timer)
      stop()
      resolve(isRotated)
    }
    const timer = setTimeout(() => end(false), Math.min(expiresAt - Date.now(), longestTimer))
    // A new bundle is an update too.
    const stop = source.onUpdate(({ svid }) => {
      if (svid.serialNumber !== serialNumber) end(true)
    })
  })
}

const longestTimer = 2 ** 31 - 1
