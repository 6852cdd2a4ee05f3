// Package stats has the statistics by which runs are compared: what two samples
// tell about a change, what the series of a run is worth as a sample, what
// remains of many tests at once, and where a history changes. It knows nothing
// of runs or queries. All functions are pure: they change no argument, keep
// nothing, and may be called by several goroutines.
//
// A significant difference is one that chance alone would seldom make. Whether
// it is large enough to matter is for the caller to say.
//
// # What the series of one run is worth
//
// Values of a time series depend on those before them, and a test that takes
// them for independent finds differences where there are none. [Batches] reduces
// a series to means that are nearly independent, or says that it cannot. This is
// how [Compare] did with them at an alpha of 0.05, for 2,000 pairs of first-order
// autoregressive series of each kind: phi is how much of its distance from the
// mean a value keeps of the one before it. Found is a shift by 20 % where the
// coefficient of variation is 0.1.
//
//	              normal noise                        skewed (log-normal) noise
//	values  phi   compared  false alarms       found  compared  false alarms       found
//	                        of all  compared                    of all  compared
//	    60  0.0       98 %   4.0 %     4.1 %   100 %      96 %   4.5 %     4.7 %   100 %
//	    60  0.3       58 %   3.6 %     6.2 %   100 %      60 %   3.1 %     5.2 %   100 %
//	    60  0.6        3 %   0.6 %    18.8 %   100 %       3 %   0.4 %    14.0 %   100 %
//	    60  0.9        0 %   0.0 %         -       -       0 %   0.0 %         -       -
//	   250  0.0       98 %   4.3 %     4.4 %   100 %      97 %   4.7 %     4.8 %   100 %
//	   250  0.3       93 %   4.2 %     4.6 %   100 %      93 %   4.9 %     5.3 %   100 %
//	   250  0.6       68 %   3.7 %     5.4 %   100 %      68 %   3.7 %     5.5 %   100 %
//	   250  0.9        0 %   0.0 %         -       -       0 %   0.0 %         -       -
//	  1000  0.0       98 %   4.0 %     4.1 %   100 %      98 %   3.8 %     3.9 %   100 %
//	  1000  0.3       98 %   4.0 %     4.1 %   100 %      97 %   4.2 %     4.4 %   100 %
//	  1000  0.6       95 %   4.8 %     5.0 %   100 %      95 %   4.5 %     4.8 %   100 %
//	  1000  0.9       55 %   3.6 %     6.5 %   100 %      55 %   3.0 %     5.6 %   100 %
//
// Where series are too short for how slowly they change, few are compared, and
// those few are more often wrong: a chance order hid their dependence. The limits
// of Batches were chosen by such simulations among 27 combinations; the table is
// of series that had no part in the choice, and TestComparisonsOfSeries makes it.
//
// That much is about two runs. Whether two builds differ, one run of each cannot
// tell: what is different from run to run of the same build (the machine, the
// layout of memory, a neighbour) does not vary within a run. Several runs of a
// side, one value of each, are the better sample.
package stats
