/** A server in a process of its own. */
export interface RunningServer {
  readonly port: number
  /** Microseconds of processor time so far, user and system together. */
  time(): Promise<number>
  stop(): Promise<void>
}

/** With mTLS alone, or with authentication by SPIFFE ID and authorization as well. */
export type Mode = 'bare' | 'guarded'

/** A kind of server that is measured bare and guarded. */
export interface Platform {
  readonly name: string
  /** What guards it. */
  readonly guard: string
  /** What a server is sent before it is measured, until its compilers have settled. */
  readonly warmUp: WarmUp
  start(mode: Mode): Promise<RunningServer>
}

/** How much a server is sent before it is measured. */
export interface WarmUp {
  readonly requests: number
  readonly connections: number
}
