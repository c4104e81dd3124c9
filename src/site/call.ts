/**
 * A site calls for its mail (ETRN, ATRN, over HTTPS): what the keeper of its queue says to that. A value that
 * the rooms between share.
 */
export type CallAnswer =
  /** `under way`: by an earlier call, which goes on to the end of the queue. */
  | { readonly kind: 'begun' | 'under way'; readonly queued: number }
  | { readonly kind: 'empty' }
  /** It is pushed: the call was taken for a sign of life. */
  | { readonly kind: 'alive'; readonly queued: number }
  | { readonly kind: 'held' }
  /** Another way of its own is how this site gets its mail. */
  | { readonly kind: 'another way' };
