package gradwire;

import java.util.Locale;

/** What becomes of the losses of a batch. */
public enum Reduction {
  /** They stay as they are: one a row, or one an element. */
  NONE,
  SUM,
  /** Divided by what {@link Job#meanOver} says. */
  MEAN;

  final String word = name().toLowerCase(Locale.ROOT);
}
