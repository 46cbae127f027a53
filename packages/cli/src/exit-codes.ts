/** The exit codes, for scripts. */
export const exitCodes = {
  /** Success, or a long-running command was signalled to end. */
  ok: 0,
  /** The agent returned nothing usable, or the socket is not available. */
  failed: 1,
  /** The command line or the environment is invalid. */
  usage: 2,
} as const
